"""Yamux frames: bytes into frames and back, without any I/O.

Source: https://github.com/hashicorp/yamux/blob/master/spec.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum, IntFlag

from attrs import frozen

_HEADER = struct.Struct("!BBHII")
HEADER_BYTES = _HEADER.size
_VERSION = 0


class FrameError(Exception):
    """What arrives is not Yamux."""


class Kind(IntEnum):
    DATA = 0
    WINDOW_UPDATE = 1
    PING = 2
    GO_AWAY = 3


class Flag(IntFlag):
    SYN = 1
    ACK = 2
    FIN = 4
    RST = 8


_AT_ITS_START = Flag.SYN | Flag.ACK
_AT_ITS_END = Flag.FIN | Flag.RST


@frozen
class Frame:
    """One frame, or a piece of one with data: ``SYN`` and ``ACK`` come with the first, ``FIN`` and ``RST`` with the
    last.

    ``value`` is what the header has for a length: that of all the data, in the first piece alone, or else a number.
    """

    kind: Kind
    flags: Flag
    stream_id: int
    value: int
    data: bytes = b""


def encode(kind: Kind, flags: Flag, stream_id: int, value: int) -> bytes:
    """The header of a frame, which is all of it but its data."""
    return _HEADER.pack(_VERSION, kind, flags, stream_id, value)


class FrameReader:
    """Cuts what arrives into frames; the data of a long one is passed on as it comes, and never kept."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._open: tuple[Flag, int] | None = None
        self._missing = 0

    def feed(self, received: bytes) -> Iterator[Frame]:
        """The frames that ``received`` completes or goes on with.

        Raises:
            FrameError: it is not Yamux.
        """
        self._buffer += received
        position = 0
        while True:
            if self._open is not None:
                flags, stream_id = self._open
                data = bytes(memoryview(self._buffer)[position : position + self._missing])
                position += len(data)
                self._missing -= len(data)
                if self._missing:
                    yield Frame(Kind.DATA, Flag(0), stream_id, 0, data)
                    break
                self._open = None
                yield Frame(Kind.DATA, flags & _AT_ITS_END, stream_id, 0, data)
            if len(self._buffer) - position < HEADER_BYTES:
                break
            version, kind, flags, stream_id, value = _HEADER.unpack_from(self._buffer, position)
            position += HEADER_BYTES
            if version != _VERSION or kind > Kind.GO_AWAY:
                raise FrameError(f"a frame of version {version} and type {kind}")
            if kind == Kind.DATA:
                self._open = Flag(flags), stream_id
                self._missing = value
                yield Frame(Kind.DATA, Flag(flags) & _AT_ITS_START, stream_id, value)
            else:
                yield Frame(Kind(kind), Flag(flags), stream_id, value)
        del self._buffer[:position]
