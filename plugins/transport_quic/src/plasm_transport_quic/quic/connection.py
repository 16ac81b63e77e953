"""One QUIC connection: drives its engine with datagrams and time, and passes on what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf

import trio
from aioquic.quic import events
from aioquic.quic.packet import QuicErrorCode
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable

from plasm_transport_quic.addresses import Carrier, Endpoint, of_socket
from plasm_transport_quic.memory import Allowance
from plasm_transport_quic.muxing import MuxedConnection, MuxedStream
from plasm_transport_quic.quic.certificate import NotProved, proved_by
from plasm_transport_quic.quic.engine import IDLE_SECONDS, Engine
from plasm_transport_quic.quic.udp import Address, Ancillary, Datagram, DatagramTooLarge, UdpSocket, largest_datagram
from plasm_transport_quic.securing import AnotherPeer

HANDSHAKE_SECONDS = 10

_UNACKNOWLEDGED = 512 * 2**10  # of one stream; more is not taken from whoever sends
_OUT_OF_ORDER = 8 * 2**20
_FAREWELL_SECONDS = 1
_REFUSALS = 3

# Its warnings are about what strangers send.
logging.getLogger("quic").addHandler(logging.NullHandler())
_log = logging.getLogger(__name__)


class QuicStream(MuxedStream):
    """A stream, whose windows the engine keeps."""

    def __init__(self, connection: QuicConnection, stream_id: int, *, ours: bool) -> None:
        super().__init__(connection)
        self._connection = connection
        self._id = stream_id
        self._ours = ours
        self._passed = 0

    def _send_some(self, data: memoryview) -> int:
        room = _UNACKNOWLEDGED - self._connection.engine.unacknowledged(self._id)
        if room <= 0:
            self._connection.waits_for_room(self)
            return 0
        self._connection.engine.send_stream_data(self._id, bytes(data[:room]))
        self._connection.wake()
        return min(room, len(data))

    def _send_end(self) -> None:
        self._connection.engine.send_stream_data(self._id, b"", end_stream=True)
        self._connection.wake()

    def _send_reset(self) -> None:
        self._connection.engine.abandon_stream(self._id)
        self._connection.wake()

    def _let_pass(self, count: int) -> None:
        self._passed += count
        self._connection.let_pass(count)
        if self._connection.engine.let_peer_send_on(self._id, self._passed):
            self._connection.wake()

    def _forget(self) -> None:
        self._connection.over(self._id, ours=self._ours)


class QuicConnection(MuxedConnection):
    """One connection; :meth:`run` drives it until it ends, and closes its socket where it has one of its own."""

    def __init__(
        self,
        engine: Engine,
        socket: UdpSocket,
        endpoint: Endpoint,
        unread: Allowance,
        *,
        expected: ID | None = None,
        on_ids: Callable[[QuicConnection, bytes, bool], None] = lambda *_: None,
    ) -> None:
        super().__init__(endpoint, unread, is_initiator=engine.configuration.is_client)
        self.engine = engine
        self._socket = socket
        self._expected = expected
        self._on_ids = on_ids
        self._problem: Exception | None = None
        self._known = trio.Event()
        self._woken = trio.Event()
        self._progress = trio.lowlevel.ParkingLot()
        self._over = trio.Event()
        self._running = trio.CancelScope()
        self._refusals = 0
        self._arrived_at: Ancillary = ()
        self._address: Address = (endpoint.host, endpoint.port)
        self._waiting_for_room: set[QuicStream] = set()
        self._their_highest = (1 if self.is_initiator else 0) - 4
        self._their_skipped: set[int] = set()
        self._delivered: dict[int, int] = {}
        self._in_order = 0
        self._out_of_order = 0
        self._passed = 0

    async def known(self) -> None:
        """Wait until it is known who the other side is.

        Raises:
            AnotherPeer: it is not the expected one.
            NotProved: it cannot prove to be anybody.
            OSError: it does not answer, or goes away.
        """
        await self._known.wait()
        if self._problem is not None:
            raise self._problem

    # ---- libp2p's muxed connection ----

    async def start(self) -> None:
        self.event_started.set()
        await self._over.wait()

    async def open_stream(self) -> QuicStream:
        await self._wait_to_open()
        try:
            while self.takes_streams and not self.engine.may_open:
                await self._progress.park()
            if not self.takes_streams:
                raise MuxedConnUnavailable("the connection is gone")
        except BaseException:
            self._may_open.release()
            raise
        stream_id = self.engine.get_next_available_stream_id()
        self.engine.send_stream_data(stream_id, b"")  # for the engine to know it; nothing is sent yet
        stream = QuicStream(self, stream_id, ours=True)
        self._add(stream_id, stream)
        return stream

    async def close(self) -> None:
        if self._ended:
            return
        self._leaving = True
        with trio.move_on_after(_FAREWELL_SECONDS):
            while not (self._ended or self.engine.all_acknowledged):
                await self._progress.park()
        self.engine.close()
        self.wake()
        await self._over.wait()

    def abandon(self) -> None:
        """:meth:`close` for those who cannot wait."""
        self._leaving = True
        self.engine.close()
        self.wake()

    # ---- For its streams ----

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    def waits_for_room(self, stream: QuicStream) -> None:
        """Tell ``stream`` when more was acknowledged."""
        self._waiting_for_room.add(stream)

    def let_pass(self, count: int) -> None:
        """``count`` bytes of some stream take up no more room."""
        self._passed += count
        self.engine.let_peer_send(self._passed)

    # ---- Driving ----

    async def run(self) -> None:
        """Drive it until it ends."""
        self._running.deadline = trio.current_time() + HANDSHAKE_SECONDS
        try:
            with self._running:
                async with trio.open_nursery() as nursery:
                    if self.is_initiator:
                        self.engine.connect(self._address, now=trio.current_time())
                        nursery.start_soon(self._receive)
                    nursery.start_soon(self._stay_alive)
                    await self._converse()
                    self._running.cancel()
        except Exception as error:  # of the engine's, of which a stranger may have found one
            _log.debug("the connection with %s failed: %r", self.endpoint, error)
        finally:
            self._release()

    def take(self, datagrams: Iterable[Datagram]) -> None:
        """Datagrams for this connection have arrived."""
        now = trio.current_time()
        try:
            for datagram in datagrams:
                # A socket of our own hears from nobody else, and the kernel has more than one way to write who that is.
                sender = self._address if self.is_initiator else datagram.sender
                self.engine.receive_datagram(datagram.data, sender, now)
                self._arrived_at = datagram.arrived_at
            # At once: what the engine knows of a stream, those who use it must not learn by its errors.
            self._handle_events()
        except Exception as error:
            _log.debug("%s sent what cannot be understood: %r", self.endpoint, error)
            self._running.cancel()
        self._refusals = 0
        self.wake()

    async def _receive(self) -> None:
        while True:
            try:
                self.take(await self._socket.receive())
            except OSError as error:
                self._refused(error)

    async def _converse(self) -> None:
        while not self.engine.is_over:
            await self._transmit()
            self._progress.unpark_all()
            if self.engine.is_over:
                break  # we have said so; nobody waits for the other side's last words
            at = self.engine.get_timer()
            with trio.CancelScope(deadline=inf if at is None else at):
                await self._woken.wait()
            self._woken = trio.Event()
            now = trio.current_time()
            if at is not None and now >= at:
                self.engine.handle_timer(now)

    async def _transmit(self) -> None:
        for data, address in self.engine.datagrams_to_send(trio.current_time()):
            try:
                await self._socket.send(data, address, self._arrived_at)
            except DatagramTooLarge:
                # The engine takes it for lost, and sends what was in it again.
                self.engine.send_small_datagrams()
            except OSError as error:
                self._refused(error)

    async def _stay_alive(self) -> None:
        while True:
            await trio.sleep(IDLE_SECONDS / 3)
            self.engine.send_ping(0)
            self.wake()

    def _refused(self, error: OSError) -> None:
        """The kernel says that nobody is there; that could be a stranger's lie, or pass."""
        self._refusals += 1
        if not self._known.is_set() or self._refusals >= _REFUSALS:
            self._problem = self._problem or error
            self._running.cancel()

    # ---- What comes of it ----

    def _handle_events(self) -> None:
        while self._problem is None and (event := self.engine.next_event()) is not None:
            match event:
                case events.StreamDataReceived():
                    self._data(event)
                case events.StreamReset():
                    self._reset(event.stream_id)
                case events.StopSendingReceived():
                    if (stream := self._streams.get(event.stream_id)) is not None:
                        stream.unwanted()
                case events.HandshakeCompleted():
                    self._meet()
                case events.ConnectionIdIssued():
                    self._on_ids(self, event.connection_id, True)
                case events.ConnectionIdRetired():
                    self._on_ids(self, event.connection_id, False)
        self._account_for_gaps()
        waiting, self._waiting_for_room = self._waiting_for_room, set()
        for stream in waiting:
            stream.may_send()
        if (address := self.engine.get_peer_address()) not in (None, self._address):
            self._address = address
            self.endpoint = of_socket(Carrier.QUIC, address)
            self.engine.send_small_datagrams()
            self._fit_datagrams()

    def _meet(self) -> None:
        """The handshake is complete: the other side is who its certificate says, or not heard any further."""
        try:
            self.peer_id = proved_by(self.engine.peer_certificate)
            if self._expected not in (None, self.peer_id):
                raise AnotherPeer
        except (NotProved, AnotherPeer) as error:
            self._problem = error
            self.engine.close(QuicErrorCode.CRYPTO_ERROR + 42)  # bad_certificate (RFC 8446, 6.2)
        else:
            self._running.deadline = inf
            self._fit_datagrams()
            self._known.set()

    def _fit_datagrams(self) -> None:
        with suppress(OSError):
            self.engine.try_datagrams_of(largest_datagram(self._address))

    def _data(self, event: events.StreamDataReceived) -> None:
        stream_id, count = event.stream_id, len(event.data)
        self._in_order += count
        self._delivered[stream_id] = self._delivered.get(stream_id, 0) + count
        if self._is_new(stream_id):
            self._accept(stream_id, QuicStream(self, stream_id, ours=False))
        if (stream := self._streams.get(stream_id)) is None:
            self.let_pass(count)
        elif count:
            stream.arrived(event.data)
        if event.end_stream:
            self._delivered.pop(stream_id)
            if stream is not None:
                stream.received_all()

    def _reset(self, stream_id: int) -> None:
        missing = self.engine.received_on(stream_id) - self._delivered.pop(stream_id, 0)
        self._in_order += missing
        self.let_pass(missing)
        self._is_new(stream_id)
        self.engine.abandon_stream(stream_id)
        if (stream := self._streams.get(stream_id)) is not None:
            stream.broken()

    def _is_new(self, stream_id: int) -> bool:
        """Whether it is the other side's, and first heard of now."""
        if stream_id % 4 != self._their_highest % 4:
            return False
        if stream_id > self._their_highest:
            self._their_skipped.update(range(self._their_highest + 4, stream_id, 4))
            self._their_highest = stream_id
            return True
        if stream_id in self._their_skipped:
            self._their_skipped.remove(stream_id)
            return True
        return False

    def _account_for_gaps(self) -> None:
        """What came before its turn waits in the engine, and counts as unread."""
        waiting = self.engine.received - self._in_order
        more = waiting - self._out_of_order
        if more > 0 and not (waiting <= _OUT_OF_ORDER and self.unread.take(more)):
            _log.debug("%s leaves gaps that are too large", self.endpoint)
            self.engine.close(QuicErrorCode.FLOW_CONTROL_ERROR)
        else:
            if more < 0:
                self.unread.give_back(-more)
            self._out_of_order = waiting

    def _release(self) -> None:
        if not self._known.is_set():
            if self.engine.is_over:
                self._problem = self._problem or ConnectionRefusedError(f"refused: {self.engine.end_reason}")
            self._problem = self._problem or TimeoutError(f"no answer within {HANDSHAKE_SECONDS} s")
            self._known.set()
        self._end()
        self._progress.unpark_all()
        self._over.set()
        if self.is_initiator:
            self._socket.close()
