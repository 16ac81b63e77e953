"""How an execution ended and what it used."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from attrs import field, frozen

from plasm.errors import ExitStatus, InvalidInput

_LARGEST_PASSED_CODE: Final = 123


class OutcomeKind(StrEnum):
    """The ways in which an execution can end."""

    EXITED = "exited"
    TRAPPED = "trapped"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    OUT_OF_FUEL = "out-of-fuel"
    OUT_OF_CPU_TIME = "out-of-cpu-time"
    OUTPUT_LIMIT = "output-limit"
    FILE_LIMIT = "file-limit"
    CANCELLED = "cancelled"
    CRASHED = "crashed"


class TrapKind(StrEnum):
    """Traps by the names of the WebAssembly core specification's execution chapter."""

    UNREACHABLE = "unreachable"
    STACK_OVERFLOW = "stack-overflow"
    MEMORY_OUT_OF_BOUNDS = "memory-out-of-bounds"
    TABLE_OUT_OF_BOUNDS = "table-out-of-bounds"
    INDIRECT_CALL_TO_NULL = "indirect-call-to-null"
    INDIRECT_CALL_TYPE_MISMATCH = "indirect-call-type-mismatch"
    INTEGER_OVERFLOW = "integer-overflow"
    INTEGER_DIVISION_BY_ZERO = "integer-division-by-zero"
    INVALID_CONVERSION = "invalid-conversion"
    OTHER = "other"


@frozen
class Outcome:
    """The end of one execution; ``exit_code`` is there when it exited, ``trap`` when it trapped."""

    kind: OutcomeKind = field(metadata={"doc": "How the execution ended."})
    exit_code: int | None = field(default=None, metadata={"doc": "The code given to proc_exit, 0 to 2^32-1."})
    trap: TrapKind | None = field(default=None, metadata={"doc": "What trapped."})

    def __attrs_post_init__(self) -> None:
        if (self.exit_code is not None) != (self.kind is OutcomeKind.EXITED):
            raise InvalidInput(f"an exit code does not go with the outcome {self.kind}")
        if (self.trap is not None) != (self.kind is OutcomeKind.TRAPPED):
            raise InvalidInput(f"a trap does not go with the outcome {self.kind}")
        if self.exit_code is not None and not 0 <= self.exit_code < 2**32:
            raise InvalidInput(f"the exit code {self.exit_code} is not an unsigned 32-bit number")

    @classmethod
    def exited(cls, code: int) -> Outcome:
        return cls(OutcomeKind.EXITED, exit_code=code)

    @classmethod
    def trapped(cls, trap: TrapKind) -> Outcome:
        return cls(OutcomeKind.TRAPPED, trap=trap)

    @property
    def succeeded(self) -> bool:
        return self.exit_code == 0

    @property
    def exit_status(self) -> int:
        """What a shell gets: the job's own code up to 123, Plasm's table for everything else."""
        if self.exit_code is not None:
            return self.exit_code if self.exit_code <= _LARGEST_PASSED_CODE else ExitStatus.CODE_OUT_OF_RANGE
        return _EXIT_STATUS[self.kind]

    def __str__(self) -> str:
        if self.exit_code is not None:
            return f"exited with code {self.exit_code}"
        if self.trap is not None:
            return f"trapped: {self.trap}"
        return _SENTENCE.get(self.kind, str(self.kind))


_EXIT_STATUS: Final = {
    OutcomeKind.TRAPPED: ExitStatus.TRAPPED,
    OutcomeKind.TIMED_OUT: ExitStatus.TIMED_OUT,
    OutcomeKind.OUT_OF_MEMORY: ExitStatus.REFUSED,
    OutcomeKind.OUT_OF_FUEL: ExitStatus.REFUSED,
    OutcomeKind.OUT_OF_CPU_TIME: ExitStatus.REFUSED,
    OutcomeKind.OUTPUT_LIMIT: ExitStatus.REFUSED,
    OutcomeKind.FILE_LIMIT: ExitStatus.REFUSED,
    OutcomeKind.CANCELLED: ExitStatus.INTERRUPTED,
    OutcomeKind.CRASHED: ExitStatus.FAILED,
}

_SENTENCE: Final = {
    OutcomeKind.TIMED_OUT: "timed out",
    OutcomeKind.OUT_OF_MEMORY: "ran out of memory",
    OutcomeKind.OUT_OF_FUEL: "ran out of fuel",
    OutcomeKind.OUT_OF_CPU_TIME: "ran out of processor time",
    OutcomeKind.OUTPUT_LIMIT: "wrote more than its output limit",
    OutcomeKind.FILE_LIMIT: "wrote more to files than its limit",
}


@frozen
class Usage:
    """What an execution used; ``None`` where nothing measured it."""

    wall_time_us: int = field(metadata={"doc": "Elapsed time in microseconds."})
    cpu_time_us: int | None = field(default=None, metadata={"doc": "Processor time in microseconds."})
    peak_memory: int | None = field(
        default=None,
        metadata={
            "doc": "Bytes of linear memory at its largest; where the runtime does not count them, what the worker's "
            "memory grew by."
        },
    )
    fuel: int | None = field(default=None, metadata={"doc": "Fuel used, where a fuel limit was set."})
