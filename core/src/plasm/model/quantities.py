"""Sizes and durations as people write them: ``64MiB``, ``1.5s``; whole bytes and whole milliseconds inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeGuard

from plasm.errors import InvalidInput

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly (RFC 7493, section 2.2)."""

SIZE_UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
)
DURATION_UNITS: Final[Mapping[str, int]] = MappingProxyType({"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000})
AGE_UNITS: Final[Mapping[str, int]] = MappingProxyType({**DURATION_UNITS, "d": 24 * 3_600_000})

_QUANTITY: Final = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,9}))?\s*([A-Za-z]*)")


def is_safe_count(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a whole number from 0 to :data:`MAX_SAFE_INTEGER`."""
    return type(value) is int and 0 <= value <= MAX_SAFE_INTEGER


def parse_size(text: str) -> int:
    """Bytes in ``text``: a number and one of B, kB, MB, GB, KiB, MiB, GiB; a bare number is bytes.

    Raises:
        InvalidInput: not a size, or not a whole number of bytes.
    """
    return _parse(text, SIZE_UNITS, "size", "64MiB")


def parse_duration(text: str) -> int:
    """Milliseconds in ``text``: a number and one of ms, s, m, h.

    Raises:
        InvalidInput: not a duration, or finer than a millisecond.
    """
    return _parse(text, DURATION_UNITS, "duration", "2s")


def parse_age(text: str) -> int:
    """Milliseconds in ``text``, in days too: how long something is kept, not how long it runs.

    Raises:
        InvalidInput: not an age, or finer than a millisecond.
    """
    return _parse(text, AGE_UNITS, "age", "30d")


def format_size(size: int) -> str:
    """``size`` bytes in the largest binary unit that shows it exactly, as :func:`parse_size` reads it."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def format_duration(milliseconds: int) -> str:
    """``milliseconds`` in the largest unit that shows them exactly, as :func:`parse_duration` reads it."""
    for unit, factor in (("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds and milliseconds % factor == 0:
            return f"{milliseconds // factor}{unit}"
    return f"{milliseconds}ms"


def format_age(milliseconds: int) -> str:
    """``milliseconds`` in the largest unit that shows them exactly, as :func:`parse_age` reads it."""
    days, rest = divmod(milliseconds, AGE_UNITS["d"])
    return f"{days}d" if days and not rest else format_duration(milliseconds)


def _parse(text: str, units: Mapping[str, int], what: str, example: str) -> int:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[3] not in units:
        known = ", ".join(unit for unit in units if unit)
        raise InvalidInput(f"{text!r:.80} is not a {what}", hint=f"write it like {example}; units: {known}")
    whole, fraction, factor = int(match[1]), match[2] or "", units[match[3]]
    scaled, rest = divmod(int(fraction or 0) * factor, int("1" + "0" * len(fraction)))
    if rest:
        raise InvalidInput(f"{text!r:.80} is finer than a {what} can be", hint=f"write it like {example}")
    return whole * factor + scaled
