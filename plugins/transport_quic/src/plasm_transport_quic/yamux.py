"""Yamux: many streams over one secured TCP connection.

Reading never waits for writing: what reading gives cause to send is queued, and a peer that does not take it loses the
connection.  So two sides that send at once cannot block each other.
"""

from __future__ import annotations

import logging
from math import inf
from typing import Final

import trio
from libp2p.abc import ISecureConn
from libp2p.custom_types import TProtocol

from plasm_transport_quic.addresses import Endpoint
from plasm_transport_quic.frames import HEADER_BYTES, Flag, Frame, FrameError, FrameReader, Kind, encode
from plasm_transport_quic.memory import Allowance
from plasm_transport_quic.muxing import STREAMS_EACH_WAY, MuxedConnection, MuxedStream

PROTOCOL: Final = TProtocol("/yamux/1.0.0")

_WINDOW = 256 * 2**10  # for each stream and side, from the start: the protocol's
_LARGEST_WINDOW = 4 * 2**20
_LARGER_WINDOWS = 8 * 2**20  # by which all windows of a connection together may be larger than at the start
_ROUND_TRIPS = 4  # a window that is used up in so many could be larger

_MESSAGE = 65519  # a Noise message holds so much
_DATA = _MESSAGE - HEADER_BYTES
_QUEUED_DATA = 2 * _MESSAGE
_QUEUED_REPLIES = 2**20

_PING_SECONDS = 30
_FAREWELL_SECONDS = 1
_NORMAL, _PROTOCOL_ERROR = 0, 1

_log = logging.getLogger(__name__)


class YamuxStream(MuxedStream):
    """A stream and its two windows."""

    def __init__(self, connection: Yamux, stream_id: int, *, ours: bool) -> None:
        super().__init__(connection)
        self._connection = connection
        self._id = stream_id
        self._ours = ours
        self._may_send = _WINDOW
        self._window = _WINDOW
        self._expected = _WINDOW
        self._granted = 0
        self._granted_at = -inf

    def window_grows(self, count: int) -> None:
        """The other side reads."""
        self._may_send += count
        self.may_send()

    def announced(self, count: int) -> None:
        """So much is about to arrive.

        Raises:
            FrameError: it is more than may be sent.
        """
        if count > self._expected:
            raise FrameError("more data than the window has room for")
        self._expected -= count

    def _send_some(self, data: memoryview) -> int:
        count = min(len(data), self._may_send, self._connection.room_for(self))
        if count:
            self._may_send -= count
            self._connection.queue(encode(Kind.DATA, Flag(0), self._id, count), data[:count])
        return count

    def _send_end(self) -> None:
        self._connection.queue(encode(Kind.WINDOW_UPDATE, Flag.FIN, self._id, 0))

    def _send_reset(self) -> None:
        self._connection.queue(encode(Kind.WINDOW_UPDATE, Flag.RST, self._id, 0))

    def _let_pass(self, count: int) -> None:
        self._granted += count
        if self._received_all or self._failure is not None or self._granted < self._window // 2:
            return
        now = trio.current_time()
        if now - self._granted_at < _ROUND_TRIPS * self._connection.round_trip:
            more = min(self._window, _LARGEST_WINDOW - self._window)
            if self._connection.larger_windows.take(more):
                self._window += more
                self._granted += more
        self._connection.queue(encode(Kind.WINDOW_UPDATE, Flag(0), self._id, self._granted))
        self._expected += self._granted
        self._granted = 0
        self._granted_at = now

    def _forget(self) -> None:
        self._connection.larger_windows.give_back(self._window - _WINDOW)
        self._window = _WINDOW
        self._connection.over(self._id, ours=self._ours)


class Yamux(MuxedConnection):
    """One connection; :meth:`start` runs it until it ends."""

    def __init__(self, secured: ISecureConn, endpoint: Endpoint, unread: Allowance) -> None:
        super().__init__(endpoint, unread, is_initiator=secured.is_initiator)
        self.peer_id = secured.get_remote_peer()
        self.round_trip = 0.0
        self.larger_windows = Allowance(_LARGER_WINDOWS)
        self._secured = secured
        self._next_id = 1 if secured.is_initiator else 2
        self._outgoing = bytearray()
        self._something_to_write = trio.Event()
        self._waiting_for_room: set[YamuxStream] = set()
        self._closing = False
        self._pinged_at: float | None = None
        self._running = trio.CancelScope()
        self._over = trio.Event()

    # ---- libp2p's muxed connection ----

    async def start(self) -> None:
        if self.event_started.is_set():
            return
        self.event_started.set()
        try:
            with self._running:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._stay_alive)
                    await self._receive()
                    self._running.cancel()
        finally:
            await self._release()

    async def open_stream(self) -> YamuxStream:
        await self._wait_to_open()
        stream_id = self._next_id
        self._next_id += 2
        stream = YamuxStream(self, stream_id, ours=True)
        self._add(stream_id, stream)
        self.queue(encode(Kind.WINDOW_UPDATE, Flag.SYN, stream_id, 0))
        return stream

    async def close(self) -> None:
        if not self.event_started.is_set():
            await self._release()
        elif not self._ended:
            self._say_farewell(_NORMAL)
            await self._over.wait()

    # ---- For its streams ----

    def room_for(self, stream: YamuxStream) -> int:
        """How much data the stream may queue now; where that is nothing, it is told when there is more."""
        if len(self._outgoing) >= _QUEUED_DATA:
            self._waiting_for_room.add(stream)
            return 0
        return _DATA

    def queue(self, *parts: bytes | memoryview) -> None:
        """Have a frame written after those that are queued already."""
        if self._ended or self._closing:
            return
        for part in parts:
            self._outgoing += part
        self._something_to_write.set()
        if len(self._outgoing) > _QUEUED_DATA + _QUEUED_REPLIES:
            _log.debug("%s does not read what it causes", self.peer_id)
            self._running.cancel()

    # ---- Its tasks ----

    async def _write(self) -> None:
        while self._outgoing or not self._closing:
            if not self._outgoing:
                self._something_to_write = trio.Event()
                await self._something_to_write.wait()
            data, self._outgoing = self._outgoing, bytearray()
            try:
                await self._secured.write(bytes(data))
            except Exception as error:  # libp2p's layers let many kinds through
                _log.debug("writing to %s failed: %r", self.peer_id, error)
                break
            waiting, self._waiting_for_room = self._waiting_for_room, set()
            for stream in waiting:
                stream.may_send()
        self._running.cancel()

    async def _receive(self) -> None:
        reader = FrameReader()
        try:
            while True:
                for frame in reader.feed(await self._secured.read()):
                    self._handle(frame)
        except FrameError as error:
            _log.debug("%s breaks the protocol: %s", self.peer_id, error)
            self._say_farewell(_PROTOCOL_ERROR)
            await trio.sleep_forever()
        except Exception as error:  # libp2p's layers let many kinds through
            _log.debug("reading from %s ended: %r", self.peer_id, error)

    async def _stay_alive(self) -> None:
        while self._pinged_at is None:
            self._pinged_at = trio.current_time()
            self.queue(encode(Kind.PING, Flag.SYN, 0, 0))
            await trio.sleep(_PING_SECONDS)
        _log.debug("%s does not answer", self.peer_id)
        self._running.cancel()

    def _handle(self, frame: Frame) -> None:
        if frame.kind is Kind.PING:
            if Flag.SYN in frame.flags:
                self.queue(encode(Kind.PING, Flag.ACK, 0, frame.value))
            elif self._pinged_at is not None:
                self.round_trip = trio.current_time() - self._pinged_at
                self._pinged_at = None
        elif frame.kind is Kind.GO_AWAY:
            self._leaving = True
        else:
            self._handle_stream(frame)

    def _handle_stream(self, frame: Frame) -> None:
        if Flag.SYN in frame.flags:
            self._opened_by_peer(frame.stream_id)
        stream = self._streams.get(frame.stream_id)
        if not isinstance(stream, YamuxStream):
            return  # one that is over; the other side will hear of it
        if frame.kind is Kind.WINDOW_UPDATE:
            stream.window_grows(frame.value)
        elif frame.data:
            stream.arrived(frame.data)
        else:
            stream.announced(frame.value)
        if Flag.RST in frame.flags:
            stream.broken()
        elif Flag.FIN in frame.flags:
            stream.received_all()

    def _opened_by_peer(self, stream_id: int) -> None:
        if stream_id in self._streams or stream_id % 2 == self._next_id % 2 or not stream_id:
            raise FrameError(f"stream {stream_id} is not the peer's to open")
        if self._theirs >= STREAMS_EACH_WAY:
            self.queue(encode(Kind.WINDOW_UPDATE, Flag.RST, stream_id, 0))
            return
        self.queue(encode(Kind.WINDOW_UPDATE, Flag.ACK, stream_id, 0))
        self._accept(stream_id, YamuxStream(self, stream_id, ours=False))

    # ---- Its end ----

    def _say_farewell(self, reason: int) -> None:
        self.queue(encode(Kind.GO_AWAY, Flag(0), 0, reason))
        self._closing = self._leaving = True
        self._running.deadline = trio.current_time() + _FAREWELL_SECONDS

    async def _release(self) -> None:
        self._end()
        self._over.set()
        await self._secured.close()
