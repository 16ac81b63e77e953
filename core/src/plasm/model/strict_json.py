"""JSON that somebody else wrote, read so that it can be meant in one way only (RFC 7493)."""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

_MAX_INTEGER_LENGTH: Final = 640


def loads(text: str) -> object:
    """The JSON document in ``text``.

    Raises:
        ValueError: not JSON, a field twice in one object, nested too deeply, NaN or infinity, a number
            that is longer than any that can be meant.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_int=_integer,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        twice = min(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"the field {twice!a:.80} occurs more than once")
    return fields


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_INTEGER_LENGTH:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
