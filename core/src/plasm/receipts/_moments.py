"""Moments in UTC: whole microseconds since the Unix epoch as values, RFC 3339 text like
``2025-01-31T12:00:00.000000Z`` in JSON.  There is one text for each moment, and no time zone but ``Z``."""

from __future__ import annotations

import time
from typing import Final

_END_OF_YEAR_9999_US: Final = 253_402_300_800_000_000

_DAYS_TO_EPOCH: Final = 719_468
_WRITTEN_AS: Final = "a moment like 2025-01-31T12:00:00.000000Z"


def format_moment(microseconds: int) -> str:
    """``microseconds`` since the epoch as RFC 3339 text."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:06d}Z"


def parse_moment(value: object) -> int:
    """The inverse of :func:`format_moment`; reads nothing that it would not write.

    Raises:
        ValueError: says what a moment looks like.
    """
    if isinstance(value, str):
        spans = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19), (20, 26))
        try:
            year, month, day, hour, minute, second, fraction = (int(value[start:end]) for start, end in spans)
        except ValueError:
            raise ValueError(_WRITTEN_AS) from None
        seconds = ((_days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
        microseconds = seconds * 1_000_000 + fraction
        if 0 <= microseconds < _END_OF_YEAR_9999_US and format_moment(microseconds) == value:
            return microseconds
    raise ValueError(_WRITTEN_AS)


def _days_since_epoch(year: int, month: int, day: int) -> int:
    # Years are counted from March, so that the leap day is the last of its year and months follow one formula.
    year -= month <= 2  # noqa: PLR2004
    leap_days = year // 4 - year // 100 + year // 400
    return 365 * year + leap_days + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - _DAYS_TO_EPOCH
