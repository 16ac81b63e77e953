"""What a job may use at most, and what it may need of a runtime."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from attrs import Attribute, field, frozen

from plasm.errors import InvalidInput
from plasm.model.quantities import MAX_SAFE_INTEGER, format_duration, format_size

MAX_MODULE_BYTES: Final = 128 * 2**20
MAX_MEMORY_BYTES: Final = 4 * 2**30
MAX_FUEL: Final = MAX_SAFE_INTEGER
MAX_TIME_MS: Final = 7 * 24 * 3_600_000
MAX_OUTPUT_BYTES: Final = 2**40
MAX_FILE_BYTES: Final = 2**50
WASM_PAGE_BYTES: Final = 64 * 2**10


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


def _bounded(low: int, high: int, show: Callable[[int], str]) -> Callable[[object, Attribute[Any], int | None], None]:
    def validate(_: object, attribute: Attribute[Any], value: int | None) -> None:
        if value is None and attribute.default is None:
            return
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput(f"limit {attribute.name} must be a whole number, not {value!r:.80}")
        if not low <= value <= high:
            raise InvalidInput(
                f"limit {attribute.name} = {value} is out of range", hint=f"from {show(low)} to {show(high)}"
            )

    return validate


@frozen
class Limits:
    """Upper bounds of one execution.

    Raises:
        InvalidInput: a bound outside of what can be meant.
    """

    memory: int = field(
        default=2**30,
        validator=_bounded(WASM_PAGE_BYTES, MAX_MEMORY_BYTES, format_size),
        metadata={"doc": "Linear memory in bytes, at least one 64 KiB page.", "quantity": "size"},
    )
    fuel: int | None = field(
        default=None,
        validator=_bounded(1, MAX_FUEL, str),
        metadata={"doc": "Units of work as the runtime counts them; null counts nothing."},
    )
    wall_time: int = field(
        default=5 * 60_000,
        validator=_bounded(1, MAX_TIME_MS, format_duration),
        metadata={"doc": "Time from start to end in milliseconds.", "quantity": "duration"},
    )
    cpu_time: int | None = field(
        default=None,
        validator=_bounded(1, MAX_TIME_MS, format_duration),
        metadata={"doc": "Processor time in milliseconds; null leaves it to wall_time.", "quantity": "duration"},
    )
    output: int = field(
        default=64 * 2**20,
        validator=_bounded(0, MAX_OUTPUT_BYTES, format_size),
        metadata={"doc": "Bytes on stdout and stderr together.", "quantity": "size"},
    )
    files: int = field(
        default=2**30,
        validator=_bounded(0, MAX_FILE_BYTES, format_size),
        metadata={"doc": "Bytes written to files, in one and altogether.", "quantity": "size"},
    )
