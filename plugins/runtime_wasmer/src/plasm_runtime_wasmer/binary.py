"""The binary format's smallest parts: numbers, names and vectors, and what is said of bytes that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from plasm.errors import InvalidModule

_LONGEST_U32 = 5
_CONTINUES = 0x80

T = TypeVar("T")


def malformed(reason: str) -> InvalidModule:
    """The error for bytes that are not a module."""
    return InvalidModule(f"the module is malformed: {reason}", hint="compile or download it again")


def refused(proposal: str) -> InvalidModule:
    """The error for a module that is made for more than jobs get."""
    return InvalidModule(
        f"the module uses {proposal}, which jobs do not get", hint="compile for wasm32-wasip1 without that feature"
    )


class Reader:
    """Reads from the front of ``data``; every method raises :class:`InvalidModule` where it cannot."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def __bool__(self) -> bool:
        return self.position < len(self._data)

    def byte(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        end = self.position + count
        if end > len(self._data):
            raise malformed("it ends too early")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def u32(self) -> int:
        """An unsigned 32-bit number, in LEB128."""
        value = 0
        for place in range(_LONGEST_U32):
            byte = self.byte()
            value |= (byte & ~_CONTINUES) << 7 * place
            if byte < _CONTINUES:
                if value >= 2**32:
                    break
                return value
        raise malformed("a number is too large")

    def skip_number(self) -> None:
        """A number of any size, in LEB128."""
        while self.byte() >= _CONTINUES:
            pass

    def name(self) -> str:
        """A text with its length before it."""
        data = self.take(self.u32())
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise malformed("a name is not UTF-8") from None

    def vector(self, item: Callable[[], T]) -> list[T]:
        """Items with their number before them.  Each takes a byte at least, so there are no more than bytes."""
        count = self.u32()
        if count > len(self._data) - self.position:
            raise malformed("it ends too early")
        return [item() for _ in range(count)]


def u32(value: int) -> bytes:
    """``value`` in LEB128, as short as it can be."""
    encoded = bytearray()
    while value >= _CONTINUES:
        encoded.append(value & ~_CONTINUES & 0xFF | _CONTINUES)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def vector(items: Iterable[bytes]) -> bytes:
    """``items`` with their number before them."""
    listed = list(items)
    return u32(len(listed)) + b"".join(listed)


def sized(content: bytes) -> bytes:
    """``content`` with its length before it."""
    return u32(len(content)) + content
