"""The Range header as RFC 9110 (section 14) has it, written anew so that Starlette's answer is the RFC's, too.  Pure.

Starlette answers 400 to what is no range, 416 where any of several ranges lies behind the end, and takes numbers with
signs and underscores.  The RFC wants the first ignored, and 416 only where no range can be satisfied.
"""

from __future__ import annotations

import re
from typing import Final

MAX_RANGES: Final = 16

_UNIT: Final = re.compile(r"bytes[ \t]*=(?P<set>.*)", re.IGNORECASE)
_RANGE: Final = re.compile(r"[ \t]*(?P<first>[0-9]*)-(?P<last>[0-9]*)[ \t]*", re.ASCII)
_MAX_HEADER: Final = 1024


def wanted(header: str, size: int) -> str | None:
    """The header with only those ranges that a file of ``size`` bytes has; ``None`` where the whole is to be sent.

    Where there is a range, but none that the file has, that is what the answer asks for, too.
    """
    unit = _UNIT.fullmatch(header)
    if unit is None or len(header) > _MAX_HEADER:
        return None
    ranges = [_range(text, size) for text in unit["set"].split(",") if text.strip(" \t")]
    if not 0 < len(ranges) <= MAX_RANGES or None in ranges:
        return None
    satisfiable = [f"{first}-{last}" for first, last in filter(None, ranges) if first <= last]
    return "bytes=" + (", ".join(satisfiable) or f"{size}-")


def _range(text: str, size: int) -> tuple[int, int] | None:
    """The first and the last byte of it that a file has, in the wrong order where it has none; ``None``: no range."""
    match = _RANGE.fullmatch(text)
    if match is None or not (match["first"] or match["last"]):
        return None
    if not match["first"]:
        return max(size - int(match["last"]), 0), size - 1
    first, last = int(match["first"]), int(match["last"] or size)
    if match["last"] and last < first:
        return None
    return first, min(last, size - 1)
