"""A guest's memory as a host function sees it: every access is checked against its size."""

from __future__ import annotations

from ctypes import memmove, string_at


class Fault(Exception):
    """The guest passed a pointer that leads out of its memory."""


class GuestMemory:
    """``size`` bytes at the address ``base`` of this process, for as long as one call of a host function lasts."""

    def __init__(self, base: int, size: int) -> None:
        self._base = base
        self._size = size

    def check(self, address: int, length: int) -> None:
        """Make sure of a range before anything is changed.

        Raises:
            Fault: some of it is outside.
        """
        if address + length > self._size:
            raise Fault

    def read(self, address: int, length: int) -> bytes:
        """A copy of a range.

        Raises:
            Fault: some of it is outside.
        """
        self.check(address, length)
        return string_at(self._base + address, length)

    def write(self, address: int, data: bytes) -> None:
        """Put ``data`` there.

        Raises:
            Fault: some of it would be outside.
        """
        self.check(address, len(data))
        memmove(self._base + address, data, len(data))
