"""Reading JSON that somebody else wrote: bounded, UTF-8, no duplicate and no unknown field, every error with a path.

:func:`load` gives the document and :class:`Fields` takes it apart, with one reader for each form a value can have.
A reader returns the value or raises a ``ValueError`` that says what the value must be.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Final, TypeVar

from plasm.errors import InvalidInput, InvalidReceipt
from plasm.model import strict_json
from plasm.model.quantities import is_safe_count

MAX_RECEIPT_BYTES: Final = 2**20
MAX_TEXT_LENGTH: Final = 4096

_MAX_SHOWN: Final = 80
_HEX_DIGITS: Final = frozenset("0123456789abcdef")
_HINT: Final = "get it again from where it came, and check that the file is a receipt"

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


def load(data: bytes) -> object:
    """The JSON document in ``data``.

    Raises:
        InvalidReceipt: too long, not UTF-8, not JSON, a field twice in one object, NaN or infinity.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise invalid(f"longer than {MAX_RECEIPT_BYTES} bytes")
    try:
        return strict_json.loads(data.decode())
    except ValueError as error:
        raise invalid(str(error)) from None


def invalid(reason: str) -> InvalidReceipt:
    """The error for bytes that are not a receipt because of ``reason``."""
    return InvalidReceipt(f"not a valid receipt: {reason}", hint=_HINT)


class Fields:
    """A JSON object to be taken apart: each field is taken once, and none may be left.

    Used in a ``with`` block, whose end complains of fields that nobody took.  What a value of the model complains
    of inside the block becomes an :class:`InvalidReceipt` with the path of the object.
    """

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise invalid(f"{path} must be an object, not {_shown(value)}")
        self._path = path
        self._left: dict[str, object] = dict(value)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, read: Callable[[object], T]) -> T:
        """The field ``name`` as ``read`` gives it."""
        path = f"{self._path}.{name}"
        if name not in self._left:
            raise invalid(f"{path} is missing")
        value = self._left.pop(name)
        try:
            return read(value)
        except ValueError as expected:
            raise invalid(f"{path} must be {expected}, not {_shown(value)}") from None

    def take_if_present(self, name: str, read: Callable[[object], T]) -> T | None:
        """Like :meth:`take`, or ``None`` where there is no such field."""
        return self.take(name, read) if name in self else None

    def object(self, name: str) -> Fields:
        """The field ``name``, an object, to be taken apart in its turn."""
        return Fields(self.take(name, _anything), f"{self._path}.{name}")

    def objects(self, name: str) -> list[Fields]:
        """The field ``name``, an array of objects."""
        items = self.take(name, _array)
        return [Fields(item, f"{self._path}.{name}[{index}]") for index, item in enumerate(items)]

    def __enter__(self) -> Fields:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(error, InvalidInput):
            raise invalid(f"{self._path}: {error.message}") from None
        if error is None and self._left:
            raise invalid(f"{self._path} has the unknown field {_shown(min(self._left))}")


def count(value: object) -> int:
    """A whole number that every JSON reader keeps exactly."""
    if not is_safe_count(value):
        raise ValueError("a whole number from 0 to 2^53-1")
    return value


def text(value: object) -> str:
    """Text that can be shown on a terminal as it is."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT_LENGTH or not value.isprintable():
        raise ValueError(f"printable text of 1 to {MAX_TEXT_LENGTH} characters")
    return value


def exactly(expected: str) -> Callable[[object], str]:
    """Reads nothing but ``expected``."""

    def read(value: object) -> str:
        if value != expected:
            raise ValueError(repr(expected))
        return expected

    return read


def one_of(choices: type[E]) -> Callable[[object], E]:
    """Reads a member of ``choices``."""

    def read(value: object) -> E:
        if not isinstance(value, str) or value not in set(choices):
            raise ValueError("one of " + ", ".join(choices))
        return choices(value)

    return read


def hexadecimal(digits: int) -> Callable[[object], str]:
    """Reads exactly ``digits`` lower-case hex digits."""

    def read(value: object) -> str:
        if not isinstance(value, str) or len(value) != digits or not set(value) <= _HEX_DIGITS:
            raise ValueError(f"{digits} lower-case hex digits")
        return value

    return read


def base64(value: object) -> bytes:
    """Bytes in the only standard, padded base64 text that they have (RFC 4648, sections 3.5 and 4)."""
    try:
        if isinstance(value, str):
            data = binascii.a2b_base64(value)
            if binascii.b2a_base64(data, newline=False).decode() == value:
                return data
    except ValueError:
        pass
    raise ValueError("canonical, padded base64")


def _anything(value: object) -> object:
    return value


def _array(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("an array")
    return value


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    shown = ascii(value) if isinstance(value, str) else json.dumps(value)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}..."
