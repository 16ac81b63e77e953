"""How a job ends is told exactly: its own exit code, or which trap."""

from __future__ import annotations

from plasm.model import Outcome, TrapKind
from plasm.testing._workbench import Workbench, guest


class Endings(Workbench):
    """Exit codes and traps."""

    def test_returning_from_start_is_exit_code_0(self) -> None:
        """Returning from ``_start`` is exit code 0."""
        finished = self.run("args")
        assert finished.outcome == Outcome.exited(0), finished

    def test_exit_codes_up_to_255_are_the_jobs_own(self) -> None:
        """Exit codes up to 255 are the job's own, those that shells and engines use too."""
        for code in (0, 1, 42, 125, 126, 127, 128, 134, 255):
            finished = self.run("exit", str(code))
            assert finished.outcome == Outcome.exited(code), f"exit {code}: {finished}"

    def test_an_exit_code_above_255_is_kept(self) -> None:
        """An exit code above 255 is kept, up to 2^32-1."""
        for code in (256, 2**31 - 1, 2**31, 2**32 - 1):
            finished = self.run("exit", str(code))
            assert finished.outcome == Outcome.exited(code), f"exit {code}: {finished}"

    def test_a_start_section_may_exit(self) -> None:
        """A start section may exit the job before ``_start``."""
        finished = self.run(module=guest("start-exit"))
        assert finished.outcome == Outcome.exited(7), finished

    def test_output_before_a_trap_is_kept(self) -> None:
        """What was written before a trap is kept."""
        finished = self.run("blob", "100000", "trap")
        assert finished.outcome == Outcome.trapped(TrapKind.UNREACHABLE), finished
        assert finished.stdout == b"x" * 100_000, finished

    def test_trap_unreachable(self) -> None:
        """Trap: ``unreachable``."""
        self._traps(TrapKind.UNREACHABLE)

    def test_trap_stack_overflow(self) -> None:
        """Trap: a recursion without end exhausts the call stack."""
        self._traps(TrapKind.STACK_OVERFLOW)

    def test_trap_memory_out_of_bounds(self) -> None:
        """Trap: a store across the end of the memory."""
        self._traps(TrapKind.MEMORY_OUT_OF_BOUNDS)

    def test_trap_table_out_of_bounds(self) -> None:
        """Trap: a call through a table at an index beyond its end."""
        self._traps(TrapKind.TABLE_OUT_OF_BOUNDS)

    def test_trap_indirect_call_to_null(self) -> None:
        """Trap: a call through an empty entry of a table."""
        self._traps(TrapKind.INDIRECT_CALL_TO_NULL)

    def test_trap_indirect_call_type_mismatch(self) -> None:
        """Trap: a call through a table to a function of another type."""
        self._traps(TrapKind.INDIRECT_CALL_TYPE_MISMATCH)

    def test_trap_integer_overflow(self) -> None:
        """Trap: the least integer divided by -1."""
        self._traps(TrapKind.INTEGER_OVERFLOW)

    def test_trap_integer_division_by_zero(self) -> None:
        """Trap: an integer divided by zero."""
        self._traps(TrapKind.INTEGER_DIVISION_BY_ZERO)

    def test_trap_invalid_conversion(self) -> None:
        """Trap: not-a-number converted to an integer."""
        self._traps(TrapKind.INVALID_CONVERSION)

    def _traps(self, kind: TrapKind) -> None:
        finished = self.run(module=guest(f"traps/{kind}"))
        if kind in self.vague_traps and finished.outcome == Outcome.trapped(TrapKind.OTHER):
            self.declare(f"the trap {kind} is told as {TrapKind.OTHER}")
        else:
            assert finished.outcome == Outcome.trapped(kind), finished
