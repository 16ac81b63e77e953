"""What a stream and a connection are here, whatever carries them.

A :class:`MuxedStream` is the contract's ``ByteStream`` and libp2p's muxed stream at once.  libp2p 0.8.1 has muxed
streams of its own; docs/decisions/0009-libp2p.md says why they are not used.
"""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import Self

import anyio
import trio
from libp2p.abc import IMuxedConn, IMuxedStream
from libp2p.connection_types import ConnectionType
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable, MuxedStreamClosed, MuxedStreamEOF, MuxedStreamReset
from multiaddr import Multiaddr

from plasm_transport_quic.addresses import Endpoint
from plasm_transport_quic.memory import Allowance

STREAMS_EACH_WAY = 256
"""How many streams of one connection may be open at once, for each side that opens them."""

UNREAD_BYTES = 64 * 2**20
"""How much of what a connection carried may wait to be read; no peer that keeps to its windows gets near it."""


class MuxedStream(IMuxedStream):
    """The part of a stream that is the same over Yamux and QUIC: what has arrived, and how the stream has ended."""

    muxed_conn: MuxedConnection

    def __init__(self, connection: MuxedConnection) -> None:
        self.muxed_conn = connection
        self._unread = bytearray()
        self._changed = trio.lowlevel.ParkingLot()
        self._received_all = False
        self._sent_all = False
        self._unwanted = False
        self._discarding = False
        self._failure: type[anyio.BrokenResourceError | anyio.ClosedResourceError] | None = None

    # ---- The contract's byte stream ----

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if max_bytes < 1:
            raise ValueError("there is nothing to receive into less than a byte")
        await trio.lowlevel.checkpoint()
        while not self._unread:
            if self._received_all:
                return b""
            self._raise_failure()
            await self._changed.park()
        data = bytes(memoryview(self._unread)[:max_bytes])
        del self._unread[:max_bytes]
        self._pass(len(data))
        return data

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while True:
            self._raise_failure()
            if self._unwanted:
                raise anyio.BrokenResourceError
            if self._sent_all:
                raise anyio.ClosedResourceError
            if not rest:
                return
            if count := self._send_some(rest):
                rest = rest[count:]
            else:
                await self._changed.park()

    async def send_eof(self) -> None:
        self._raise_failure()
        self._finish_sending()
        await trio.lowlevel.checkpoint()

    async def reset(self) -> None:
        self.abandon()
        await trio.lowlevel.checkpoint()

    def abandon(self) -> None:
        """:meth:`reset` for those who cannot wait."""
        if self._failure is None:
            if not (self._received_all and self._sent_all):
                self._send_reset()
            self._fail(anyio.ClosedResourceError)

    # ---- What the connection reports ----

    def arrived(self, data: bytes) -> None:
        """The other side sent ``data``; where there is no room left for it, the stream is reset."""
        if self._discarding or self._failure is not None:
            self._let_pass(len(data))
        elif self.muxed_conn.unread.take(len(data)):
            self._unread += data
            self._changed.unpark_all()
        else:
            self.refuse()
            self._let_pass(len(data))

    def received_all(self) -> None:
        """The other side has finished sending."""
        if self._failure is None:
            self._received_all = True
            self._changed.unpark_all()
            self._forget_if_ended()

    def unwanted(self) -> None:
        """The other side reads no more; what it sends is received all the same."""
        self._unwanted = True
        self._sent_all = True
        self._changed.unpark_all()
        self._forget_if_ended()

    def may_send(self) -> None:
        """There may be room for sending again."""
        self._changed.unpark_all()

    def refuse(self) -> None:
        """There is no room for it: it is reset for both sides."""
        self._send_reset()
        self.broken()

    def broken(self) -> None:
        """The other side has reset the stream."""
        if self._failure is None:
            self._fail(anyio.BrokenResourceError)

    def lost(self) -> None:
        """The connection is gone.  What had arrived in full can still be read."""
        if self._failure is None and self._received_all:
            self._failure = anyio.BrokenResourceError
            self._changed.unpark_all()
        else:
            self.broken()

    def finish(self) -> None:
        """We are done with it: what was sent is finished, what still comes is dropped."""
        if self._failure is not None:
            return
        if not self._received_all:
            self._discarding = True
        self._drop_unread()
        self._finish_sending()

    # ---- What carries it out ----

    @abstractmethod
    def _send_some(self, data: memoryview) -> int:
        """Hand over as much of ``data`` as may be sent now; where that is nothing, :meth:`may_send` is called later."""

    @abstractmethod
    def _send_end(self) -> None:
        """Tell the other side that nothing more comes."""

    @abstractmethod
    def _send_reset(self) -> None:
        """Tell the other side that the stream is abandoned."""

    @abstractmethod
    def _let_pass(self, count: int) -> None:
        """``count`` bytes that had arrived take up no more room."""

    @abstractmethod
    def _forget(self) -> None:
        """The stream is over."""

    # ---- libp2p's muxed stream ----

    async def read(self, n: int | None = None) -> bytes:
        if n == 0:
            return b""
        try:
            data = await self.receive(65536 if n is None or n < 0 else n)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise MuxedStreamReset("the stream was reset") from None
        if not data:
            raise MuxedStreamEOF("the other side has finished sending")
        return data

    async def write(self, data: bytes) -> None:
        try:
            await self.send(data)
        except anyio.ClosedResourceError:
            raise MuxedStreamClosed("the stream is closed for sending") from None
        except anyio.BrokenResourceError:
            raise MuxedStreamReset("the stream was reset") from None

    async def close_write(self) -> None:
        if self._failure is None:
            await self.send_eof()

    async def close(self) -> None:
        self.finish()
        await trio.lowlevel.checkpoint()

    def set_deadline(self, ttl: int) -> None:
        raise NotImplementedError("whoever waits sets the deadline")

    def get_remote_address(self) -> tuple[str, int]:
        return self.muxed_conn.get_remote_address()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---- State ----

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fail(self, failure: type[anyio.BrokenResourceError | anyio.ClosedResourceError]) -> None:
        self._failure = failure
        self._received_all = False
        self._drop_unread()
        self._changed.unpark_all()
        self._forget()

    def _pass(self, count: int) -> None:
        self.muxed_conn.unread.give_back(count)
        self._let_pass(count)

    def _drop_unread(self) -> None:
        count = len(self._unread)
        self._unread.clear()
        self._pass(count)

    def _finish_sending(self) -> None:
        if not self._sent_all:
            self._sent_all = True
            self._send_end()
            self._forget_if_ended()

    def _forget_if_ended(self) -> None:
        if self._received_all and self._sent_all:
            self._forget()


class MuxedConnection(IMuxedConn):
    """The part of a connection that is the same over Yamux and QUIC: its streams, and how it ends."""

    peer_id: ID

    def __init__(self, endpoint: Endpoint, unread: Allowance, *, is_initiator: bool) -> None:
        self.endpoint = endpoint
        self.unread = Allowance(UNREAD_BYTES, within=unread)
        self.event_started = trio.Event()
        self._is_initiator = is_initiator
        self._ended = False
        self._leaving = False
        self.idle_since: float | None = trio.current_time()
        self._streams: dict[int, MuxedStream] = {}
        self._may_open = trio.Semaphore(STREAMS_EACH_WAY)
        self._theirs = 0
        # As many can wait to be accepted as may be open, so that whoever brings one never waits.
        self._bring, self._brought = trio.open_memory_channel[MuxedStream](STREAMS_EACH_WAY)

    # ---- libp2p's muxed connection ----

    @property
    def is_initiator(self) -> bool:
        return self._is_initiator

    @property
    def is_established(self) -> bool:
        return self.event_started.is_set() and not self._ended

    @property
    def is_closed(self) -> bool:
        return self._ended

    @property
    def takes_streams(self) -> bool:
        """Whether streams can be opened still."""
        return not (self._ended or self._leaving)

    async def accept_stream(self) -> MuxedStream:
        try:
            return await self._brought.receive()
        except trio.EndOfChannel:
            raise MuxedConnUnavailable("the connection is gone") from None

    @abstractmethod
    async def open_stream(self) -> MuxedStream:
        """A new stream, as soon as there may be another one.

        Raises:
            MuxedConnUnavailable: it is gone.
        """

    def get_remote_address(self) -> tuple[str, int]:
        return self.endpoint.host, self.endpoint.port

    def get_transport_addresses(self) -> list[Multiaddr]:
        return [Multiaddr(str(self.endpoint))]

    def get_connection_type(self) -> ConnectionType:
        return ConnectionType.DIRECT

    # ---- For what carries it ----

    def over(self, stream_id: int, *, ours: bool) -> None:
        """A stream is over; another one may be opened."""
        if self._streams.pop(stream_id, None) is None:
            return
        if ours:
            self._may_open.release()
        else:
            self._theirs -= 1
        if not self._streams:
            self.idle_since = trio.current_time()

    async def _wait_to_open(self) -> None:
        await self._may_open.acquire()
        if not self.takes_streams:
            self._may_open.release()
            raise MuxedConnUnavailable("the connection is gone")

    def _add(self, stream_id: int, stream: MuxedStream) -> None:
        self._streams[stream_id] = stream
        self.idle_since = None

    def _accept(self, stream_id: int, stream: MuxedStream) -> None:
        """The other side has opened a stream."""
        self._theirs += 1
        self._add(stream_id, stream)
        try:
            self._bring.send_nowait(stream)
        except trio.WouldBlock:
            # It opens and resets them faster than they are looked at.
            stream.refuse()

    def _end(self) -> None:
        """It is gone, and so are its streams."""
        self._ended = True
        self.event_started.set()
        self._bring.close()
        self.unread.close()
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.lost()
        self._may_open.release()  # one who waits for a turn finds that it is gone, and passes the turn on
