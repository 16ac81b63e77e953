"""A network in memory: a transport whose streams are queues, for tests of what is said and not of how it travels."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from plasm.contracts import PeerRecord
from plasm.errors import PeerUnreachable, ProtocolNotSpoken
from plasm.model import PeerId

Handler = Callable[["MemoryConnection", str, "MemoryStream"], Awaitable[None]]


class MemoryStream:
    """One end of a stream; a few parts may be under way."""

    def __init__(self, into: MemoryObjectSendStream[bytes], out: MemoryObjectReceiveStream[bytes]) -> None:
        self._into, self._out = into, out
        self._left = b""
        self.other: MemoryStream
        self.broken = False

    @classmethod
    def pair(cls) -> tuple[MemoryStream, MemoryStream]:
        here, there = anyio.create_memory_object_stream[bytes](4), anyio.create_memory_object_stream[bytes](4)
        ends = cls(here[0], there[1]), cls(there[0], here[1])
        ends[0].other, ends[1].other = ends[1], ends[0]
        return ends

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if not self._left:
            try:
                self._left = await self._out.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                if self.broken:
                    raise anyio.BrokenResourceError from None
                return b""
        part, self._left = self._left[:max_bytes], self._left[max_bytes:]
        return part

    async def send(self, data: bytes) -> None:
        if self.broken:
            raise anyio.BrokenResourceError
        await self._into.send(data)

    async def send_eof(self) -> None:
        self._into.close()

    async def reset(self) -> None:
        for end in (self, self.other):
            end.broken = True
            end._into.close()
            end._out.close()


class MemoryConnection:
    """A connection to ``peer``."""

    address = "/memory/1"

    def __init__(self, peer: PeerId, open_stream: Callable[[str], Awaitable[MemoryStream]]) -> None:
        self.peer = peer
        self._open_stream = open_stream

    async def open_stream(self, protocol: str) -> MemoryStream:
        return await self._open_stream(protocol)

    async def close(self) -> None:
        pass


class MemoryNetwork:
    """Who listens, by peer id."""

    def __init__(self) -> None:
        self.listening: dict[PeerId, tuple[Handler, Sequence[str], anyio.abc.TaskGroup]] = {}


class MemoryTransport:
    """The transport of the peer ``own`` on ``network``."""

    def __init__(self, network: MemoryNetwork, own: PeerId) -> None:
        self._network = network
        self._own = own

    async def __aenter__(self) -> MemoryTransport:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._network.listening.pop(self._own, None)
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def listen(self, addresses: Sequence[str], handler: Handler, protocols: Sequence[str]) -> Sequence[str]:
        self._network.listening[self._own] = (handler, protocols, self._tasks)
        return [f"/memory/1/p2p/{self._own}"]

    async def dial(self, record: PeerRecord, *, payload: float = math.inf) -> MemoryConnection:
        if record.peer not in self._network.listening:
            raise PeerUnreachable(f"{record.peer} does not listen")

        async def open_stream(protocol: str) -> MemoryStream:
            if record.peer not in self._network.listening:
                raise PeerUnreachable(f"{record.peer} is gone")
            handler, protocols, tasks = self._network.listening[record.peer]
            if protocol not in protocols:
                raise ProtocolNotSpoken(protocol)
            ours, theirs = MemoryStream.pair()
            tasks.start_soon(self._handle, handler, protocol, theirs)
            return ours

        return MemoryConnection(record.peer, open_stream)

    async def _handle(self, handler: Handler, protocol: str, stream: MemoryStream) -> None:
        async def none(_: str) -> MemoryStream:
            raise PeerUnreachable("one way only")

        try:
            await handler(MemoryConnection(self._own, none), protocol, stream)
        except Exception:
            await stream.reset()
