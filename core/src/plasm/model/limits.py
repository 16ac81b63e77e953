"""What a job may use at most, and what it may need of a runtime."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from attrs import field, frozen

from plasm.errors import InvalidInput
from plasm.model.quantities import format_duration, format_size

MAX_MODULE_BYTES = 128 * 2**20
MAX_MEMORY_BYTES = 4 * 2**30
MAX_FUEL = 2**53 - 1
MAX_TIME_MS = 7 * 24 * 3_600_000
MAX_OUTPUT_BYTES = 2**40
MAX_FILE_BYTES = 2**50
WASM_PAGE_BYTES = 64 * 2**10


class LimitKind(StrEnum):
    """The limits by the names of their fields; a runtime declares which of them it enforces itself."""

    MEMORY = "memory"
    FUEL = "fuel"
    WALL_TIME = "wall_time"
    CPU_TIME = "cpu_time"
    OUTPUT = "output"
    FILES = "files"


class Feature(StrEnum):
    """What a job may need and not every runtime has; a runtime declares which of them it provides."""

    FOLDERS = "folders"
    WRITABLE_FOLDERS = "writable-folders"
    DETERMINISM = "determinism"


@frozen
class Limits:
    """Upper bounds of one execution.

    Raises:
        InvalidInput: a bound outside of what can be meant.
    """

    memory: int = field(
        default=2**30,
        metadata={"doc": "Linear memory in bytes, at least one 64 KiB page.", "quantity": "size"},
    )
    fuel: int | None = field(
        default=None,
        metadata={"doc": "Units of work as the runtime counts them; null counts nothing."},
    )
    wall_time: int = field(
        default=5 * 60_000,
        metadata={"doc": "Time from start to end in milliseconds.", "quantity": "duration"},
    )
    cpu_time: int | None = field(
        default=None,
        metadata={"doc": "Processor time in milliseconds; null leaves it to wall_time.", "quantity": "duration"},
    )
    output: int = field(
        default=64 * 2**20,
        metadata={"doc": "Bytes on stdout and stderr together.", "quantity": "size"},
    )
    files: int = field(
        default=2**30,
        metadata={"doc": "Bytes written to files, in one and altogether.", "quantity": "size"},
    )

    def __attrs_post_init__(self) -> None:
        _check("memory", self.memory, WASM_PAGE_BYTES, MAX_MEMORY_BYTES, format_size)
        _check("wall_time", self.wall_time, 1, MAX_TIME_MS, format_duration)
        _check("output", self.output, 0, MAX_OUTPUT_BYTES, format_size)
        _check("files", self.files, 0, MAX_FILE_BYTES, format_size)
        if self.fuel is not None:
            _check("fuel", self.fuel, 1, MAX_FUEL, str)
        if self.cpu_time is not None:
            _check("cpu_time", self.cpu_time, 1, MAX_TIME_MS, format_duration)


def _check(name: str, value: int, low: int, high: int, show: Callable[[int], str]) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"limit {name} must be a whole number, not {value!r}")
    if not low <= value <= high:
        raise InvalidInput(f"limit {name} = {value} is out of range", hint=f"from {show(low)} to {show(high)}")
