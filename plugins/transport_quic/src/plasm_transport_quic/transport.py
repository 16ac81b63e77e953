"""The transport: where it listens, whom it dials, and the connections that it keeps."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import trio
from libp2p.abc import IHost
from libp2p.host.basic_host import BasicHost
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from plasm.contracts import PeerRecord, Signer
from plasm.contracts.transport import StreamHandler
from plasm.errors import InvalidInput, PeerUnreachable
from plasm.model import PeerId
from plasm_transport_quic.addresses import Carrier, Endpoint, at_interfaces, of_socket, parse, with_peer
from plasm_transport_quic.connections import PeerConnection
from plasm_transport_quic.dialling import race, resolve
from plasm_transport_quic.identity import key_pair, libp2p_id, plasm_id
from plasm_transport_quic.memory import Allowance
from plasm_transport_quic.muxing import MuxedConnection
from plasm_transport_quic.network import MOST_CONNECTIONS, Listener, Network
from plasm_transport_quic.securing import AnotherPeer, Securing
from plasm_transport_quic.serving import Serving
from plasm_transport_quic.tcp import RawConnection, connect, listen

USUAL_ADDRESSES = ("/ip4/0.0.0.0/tcp/0",)
DIAL_SECONDS = 10
HANDSHAKE_SECONDS = 10
BULK_BYTES = 2**20
"""From so many on, TCP is the better way: it carries some twenty times as much in the same time."""

_MOST_HANDSHAKES = 64
_UNREAD_BYTES = 256 * 2**20

_log = logging.getLogger(__name__)


class Libp2pTransport:
    """Fulfils :class:`plasm.contracts.Transport`.

    Inside its ``async with`` block, ``host`` is the libp2p host, on which libp2p's services can run as well.
    """

    def __init__(self, identity: Signer) -> None:
        self._peer = PeerId(identity.public_key)
        self._keys = key_pair(identity)
        self._unread = Allowance(_UNREAD_BYTES)
        self._securing = Securing(self._keys, self._unread)
        self._handshakes = trio.CapacityLimiter(_MOST_HANDSHAKES)
        self._dialling: dict[PeerId, trio.Lock] = {}

    @property
    def host(self) -> IHost:
        """The libp2p host; there is one inside the ``async with`` block."""
        return self._host

    async def __aenter__(self) -> Self:
        self._network = Network(self._keys, self._dial_libp2p)
        self._host = BasicHost(self._network)
        self._serving = Serving(self._host)
        self._network.set_stream_handler(self._serving.answer)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._host.run([]))
            self._nursery = await stack.enter_async_context(trio.open_nursery())
            stack.callback(self._nursery.cancel_scope.cancel)
            stack.push_async_callback(self._close_connections)
            self._nursery.start_soon(self._network.serve, self._nursery)
            self._exits = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.__aexit__(kind, error, trace)

    async def listen(self, addresses: Sequence[str], handler: StreamHandler, protocols: Sequence[str]) -> Sequence[str]:
        """Accept streams; see :meth:`plasm.contracts.Transport.listen`."""
        endpoints = [self._listenable(address) for address in addresses or USUAL_ADDRESSES]
        self._serving.add(protocols, handler)
        opened: list[trio.SocketListener] = []
        try:
            for endpoint in endpoints:
                opened.append(await listen(endpoint))  # noqa: PERF401 - what was opened is closed should one fail
        except BaseException:
            for listener in opened:
                listener.socket.close()
            raise
        found: list[Endpoint] = []
        for listener in opened:
            bound = of_socket(Carrier.TCP, listener.socket.getsockname()[:2])
            found += at_interfaces(bound)
            self._nursery.start_soon(self._accept, listener)
        await self._network.listens(Listener(found))
        return with_peer(found, self._peer)

    async def dial(self, record: PeerRecord, *, payload: int = 0) -> PeerConnection:
        """Connect to a peer; see :meth:`plasm.contracts.Transport.dial`."""
        return PeerConnection(await self._dial(record, bulk=payload > BULK_BYTES))

    # ---- Dialling ----

    async def _dial(self, record: PeerRecord, *, bulk: bool) -> MuxedConnection:
        if record.peer == self._peer:
            raise InvalidInput("a node does not dial itself")
        # One at a time, so that those who come together share a connection.
        lock = self._dialling.setdefault(record.peer, trio.Lock())
        try:
            async with lock:
                return self._connected(record.peer) or await self._connect(record)
        finally:
            if not lock.statistics().tasks_waiting and not lock.locked():
                self._dialling.pop(record.peer, None)

    def _connected(self, peer: PeerId) -> MuxedConnection | None:
        connections = self._network.muxed_connections(libp2p_id(peer))
        return next((connection for connection in connections if connection.takes_streams), None)

    async def _connect(self, record: PeerRecord) -> MuxedConnection:
        peer = libp2p_id(record.peer)
        reasons: list[str] = []
        endpoints: list[Endpoint] = []
        for address in record.addresses:
            try:
                endpoint, named = parse(address)
            except InvalidInput as error:
                reasons.append(error.message)
                continue
            if endpoint.carrier is Carrier.QUIC:
                reasons.append(f"{address}: QUIC is not carried yet")
            elif named in (None, record.peer):
                endpoints.append(endpoint)
            else:
                reasons.append(f"{address} is the address of another peer")

        async def attempt(endpoint: Endpoint) -> MuxedConnection:
            return await self._secured(endpoint, peer)

        found = None
        with trio.move_on_after(DIAL_SECONDS) as patience:
            found, failures = await race(await resolve(endpoints), attempt)
            reasons += [f"{endpoint}: {_reason(error)}" for endpoint, error in failures.items()]
        if found is not None:
            await self._network.add_conn(found, "outbound")
            return found
        if patience.cancelled_caught:
            reasons.append(f"no answer within {DIAL_SECONDS} s")
        raise PeerUnreachable(f"cannot reach {record.peer}: {'; '.join(reasons) or 'no address is known'}")

    async def _secured(self, endpoint: Endpoint, peer: ID) -> MuxedConnection:
        raw = await connect(endpoint)
        try:
            return await self._securing.outbound(raw, peer)
        except BaseException:
            await raw.close()
            raise

    async def _dial_libp2p(self, peer: ID, addresses: Iterable[Multiaddr]) -> MuxedConnection:
        return await self._dial(PeerRecord(plasm_id(peer), [str(address) for address in addresses]), bulk=False)

    # ---- Being dialled ----

    def _listenable(self, address: str) -> Endpoint:
        endpoint, peer = parse(address)
        if endpoint.carrier is Carrier.QUIC:
            raise InvalidInput(f"cannot listen at {endpoint}: QUIC is not carried yet")
        if endpoint.is_name:
            raise InvalidInput(f"cannot listen at {endpoint}: it is a name", hint="give an address of this machine")
        if peer not in (None, self._peer):
            raise InvalidInput(f"cannot listen at {address}: it is the address of another peer")
        return endpoint

    async def _accept(self, listener: trio.SocketListener) -> None:
        with listener.socket:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    # Too many open files, most likely; some will be closed.
                    _log.warning("cannot accept a connection: %s", error)
                    await trio.sleep(0.1)
                else:
                    self._nursery.start_soon(self._welcome, stream)

    async def _welcome(self, stream: trio.SocketStream) -> None:
        try:
            raw = RawConnection(stream, is_initiator=False)
        except OSError:
            stream.socket.close()
            return
        try:
            if len(self._network.muxed_connections()) >= MOST_CONNECTIONS:
                raise ConnectionRefusedError("as many connections as may be")
            self._handshakes.acquire_nowait()
            try:
                with trio.fail_after(HANDSHAKE_SECONDS):
                    connection = await self._securing.inbound(raw)
                    plasm_id(connection.peer_id)
            finally:
                self._handshakes.release()
        except Exception as error:  # libp2p's layers let many kinds through
            _log.debug("a connection from %s came to nothing: %r", raw.endpoint, error)
            await raw.close()
        except BaseException:
            await raw.close()
            raise
        else:
            await self._network.add_conn(connection, "inbound")

    # ---- The end ----

    async def _close_connections(self) -> None:
        await self._host.close()
        async with trio.open_nursery() as nursery:
            for connection in self._network.muxed_connections():
                nursery.start_soon(connection.close)


def _reason(error: Exception) -> str:
    if isinstance(error, AnotherPeer):
        return "another peer answers there"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__
