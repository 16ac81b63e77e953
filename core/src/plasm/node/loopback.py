"""This node as one of its own peers: streams that lead back to it, for jobs that nobody else takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from plasm.contracts import ByteStream, Connection
from plasm.model import PeerId

_log = logging.getLogger(__name__)

Serve = Callable[[Connection, str, ByteStream], Coroutine[Any, Any, None]]


class LoopbackConnection:
    """A connection of the node ``peer`` to itself, whose streams ``serve`` answers in tasks of ``tasks``."""

    address = "/memory/self"

    def __init__(self, peer: PeerId, serve: Serve, tasks: anyio.abc.TaskGroup) -> None:
        self.peer = peer
        self._serve = serve
        self._tasks = tasks

    async def open_stream(self, protocol: str) -> ByteStream:
        """A stream for ``protocol``."""
        ours, theirs = LoopbackStream.pair()
        self._tasks.start_soon(self._answer, protocol, theirs)
        return ours

    async def _answer(self, protocol: str, stream: LoopbackStream) -> None:
        """Serve one stream; whatever becomes of it, the others go on."""
        try:
            await self._serve(self, protocol, stream)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, TimeoutError):
            await stream.reset()
        except Exception:
            _log.warning("serving a stream of this node's own failed", exc_info=True)
            await stream.reset()

    async def close(self) -> None:
        """Nothing is held."""


class LoopbackStream:
    """One end of a stream within this process."""

    def __init__(self, into: MemoryObjectSendStream[bytes], out: MemoryObjectReceiveStream[bytes]) -> None:
        self._into = into
        self._out = out
        self._left = b""
        self._other: LoopbackStream | None = None
        self._broken = False

    @classmethod
    def pair(cls) -> tuple[LoopbackStream, LoopbackStream]:
        """Both ends of a new stream."""
        there, back = anyio.create_memory_object_stream[bytes](1), anyio.create_memory_object_stream[bytes](1)
        one, other = cls(there[0], back[1]), cls(back[0], there[1])
        one._other, other._other = other, one
        return one, other

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """See :class:`plasm.contracts.ByteStream`."""
        if not self._left:
            try:
                self._left = await self._out.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                if self._broken:
                    raise anyio.BrokenResourceError from None
                return b""
        part, self._left = self._left[:max_bytes], self._left[max_bytes:]
        return part

    async def send(self, data: bytes) -> None:
        """See :class:`plasm.contracts.ByteStream`."""
        if self._broken:
            raise anyio.BrokenResourceError
        await self._into.send(data)

    async def send_eof(self) -> None:
        """See :class:`plasm.contracts.ByteStream`."""
        self._into.close()

    async def reset(self) -> None:
        """See :class:`plasm.contracts.ByteStream`."""
        self._break()
        if self._other is not None:
            self._other._break()  # noqa: SLF001 - the other end is one of these too

    def _break(self) -> None:
        self._broken = True
        self._into.close()
        self._out.close()
