"""Frames: an unsigned varint with the payload's length, then the payload.

The varint is that of the multiformats (https://github.com/multiformats/unsigned-varint): seven bits a byte, least
significant first, the shortest form only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from plasm.errors import ProtocolViolation

MAX_CONTROL_BYTES: Final = 256 * 2**10
MAX_DATA_BYTES: Final = 2**20
_MAX_LENGTH_BYTES: Final = 4
_BITS: Final = 7
_MORE: Final = 1 << _BITS


def frame(payload: bytes) -> bytes:
    """``payload`` with its length in front."""
    length, head = len(payload), bytearray()
    while length >> _BITS:
        head.append(length & ~_MORE & 0xFF | _MORE)
        length >>= _BITS
    head.append(length)
    return bytes(head) + payload


class Deframer:
    """Cuts a stream of bytes into payloads; holds at most one frame that is not complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """Whether a part of a frame has come and the rest has not."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are complete with ``data``.

        Raises:
            ProtocolViolation: a length that is none, or larger than any frame may be.
        """
        self._buffer += data
        while (head := self._head()) is not None:
            start, length = head
            if len(self._buffer) < start + length:
                return
            payload = bytes(self._buffer[start : start + length])
            del self._buffer[: start + length]
            yield payload

    def _head(self) -> tuple[int, int] | None:
        length = 0
        for index, byte in enumerate(self._buffer[:_MAX_LENGTH_BYTES]):
            length |= (byte & ~_MORE) << _BITS * index
            if byte & _MORE:
                continue
            if byte == 0 and index:
                raise ProtocolViolation("a length that is not in its shortest form")
            if length > MAX_DATA_BYTES:
                raise ProtocolViolation(f"a frame of {length} bytes, more than {MAX_DATA_BYTES}")
            return index + 1, length
        if len(self._buffer) >= _MAX_LENGTH_BYTES:
            raise ProtocolViolation("a length without an end")
        return None
