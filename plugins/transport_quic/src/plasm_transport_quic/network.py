"""libp2p's swarm on our connections: the registry of peers and connections that libp2p's services use.

What is not left to libp2p 0.8.1 here is what a stranger could break; docs/decisions/0009-libp2p.md has the list.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, cast

import trio
from libp2p.abc import IListener, IMuxedConn, INetConn, INetStream
from libp2p.connection_types import ConnectionType
from libp2p.crypto.keys import KeyPair
from libp2p.network.config import ConnectionConfig
from libp2p.network.exceptions import SwarmException
from libp2p.network.stream.net_stream import NetStream, StreamState
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.rcmgr import Direction
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable
from libp2p.transport.upgrader import TransportUpgrader
from multiaddr import Multiaddr

from plasm.errors import PlasmError
from plasm_transport_quic.addresses import Endpoint
from plasm_transport_quic.muxing import MuxedConnection, MuxedStream

if TYPE_CHECKING:
    from libp2p.network.connection.swarm_connection import SwarmConn

_FORGET_PEERS_SECONDS = 300

# libp2p keeps its messages from the root's handlers; without one of its own, all of them go to stderr.
logging.getLogger("libp2p").addHandler(logging.NullHandler())

_log = logging.getLogger(__name__)

Dial = Callable[[ID, Iterable[Multiaddr]], Awaitable[MuxedConnection]]


class NetworkConnection(INetConn):
    """A muxed connection as libp2p's services see it."""

    def __init__(self, muxed: MuxedConnection, swarm: Network, direction: Direction) -> None:
        self.muxed_conn: MuxedConnection = muxed
        self.swarm = swarm
        self.direction = direction
        self.event_started = muxed.event_started
        self._streams: set[NetStream] = set()

    @property
    def is_closed(self) -> bool:
        return self.muxed_conn.is_closed

    async def new_stream(self) -> NetStream:
        return await self._add(await self.muxed_conn.open_stream(), Direction.OUTBOUND)

    def get_streams(self) -> tuple[INetStream, ...]:
        return tuple(self._streams)

    def remove_stream(self, stream: NetStream) -> None:
        """It is over; libp2p's streams call this."""
        self._streams.discard(stream)

    def get_transport_addresses(self) -> list[Multiaddr]:
        return self.muxed_conn.get_transport_addresses()

    def get_connection_type(self) -> ConnectionType:
        return self.muxed_conn.get_connection_type()

    async def close(self) -> None:
        await self.muxed_conn.close()

    async def accept_streams(self, nursery: trio.Nursery) -> None:
        """Have each stream that the other side opens served in ``nursery``, until the connection ends."""
        while True:
            try:
                stream = await self.muxed_conn.accept_stream()
            except MuxedConnUnavailable:
                return
            nursery.start_soon(self._serve, stream)

    async def _serve(self, muxed: MuxedStream) -> None:
        stream = await self._add(muxed, Direction.INBOUND)
        try:
            await self.swarm.common_stream_handler(stream)
        finally:
            self.remove_stream(stream)

    async def _add(self, muxed: MuxedStream, direction: Direction) -> NetStream:
        # libp2p's stream never calls for a connection what is not here, though it names a class.
        stream = NetStream(muxed, cast("SwarmConn", self), None)
        stream._direction = direction  # noqa: SLF001 - where libp2p's swarm writes it, too
        await stream.set_state(StreamState.OPEN)
        self._streams.add(stream)
        await self.swarm.notify_opened_stream(stream)
        return stream


class Network(Swarm):
    """A swarm whose connections are made by :class:`~plasm_transport_quic.transport.Libp2pTransport`."""

    def __init__(self, keys: KeyPair, dial: Dial) -> None:
        peer_id = ID.from_pubkey(keys.public_key)
        peerstore = PeerStore()
        peerstore.add_key_pair(peer_id, keys)
        # All watermarks at nought: connecting to whom it has heard of is not the swarm's business.
        bounds = ConnectionConfig(min_connections=0, low_watermark=0, high_watermark=0)
        super().__init__(peer_id, peerstore, TransportUpgrader({}, {}), connection_config=bounds)
        self._dial = dial
        self._nursery: trio.Nursery | None = None

    async def serve(self, nursery: trio.Nursery) -> None:
        """Serve connections in ``nursery``, and forget in time what was heard of peers."""
        self._nursery = nursery
        await self.peerstore.start_cleanup_task(_FORGET_PEERS_SECONDS)

    async def add_conn(self, muxed_conn: IMuxedConn, direction: str = "unknown") -> NetworkConnection:  # type: ignore[override]
        """Take a connection up; it is served, and leaves again when it ends."""
        if self._nursery is None or not isinstance(muxed_conn, MuxedConnection):
            raise SwarmException("a connection that is not ours")
        connection = NetworkConnection(muxed_conn, self, Direction.from_string(direction))
        self.connections.setdefault(muxed_conn.peer_id, []).append(connection)
        self._nursery.start_soon(self._serve, connection)
        await muxed_conn.event_started.wait()
        await self.notify_connected(connection)
        return connection

    async def dial_peer(self, peer_id: ID) -> list[INetConn]:
        """Connect to a peer of which libp2p's services have heard."""
        try:
            muxed = await self._dial(peer_id, self.peerstore.addrs(peer_id))
        except PlasmError as error:
            raise SwarmException(str(error)) from error
        return [conn for conn in self.get_connections(peer_id) if cast("NetworkConnection", conn).muxed_conn is muxed]

    async def close_peer(self, peer_id: ID) -> None:
        for connection in self.get_connections(peer_id):
            await connection.close()

    def muxed_connections(self, peer_id: ID | None = None) -> list[MuxedConnection]:
        """The live connections with a peer, or with all."""
        muxed = [cast("NetworkConnection", conn).muxed_conn for conn in self.get_connections(peer_id)]
        return [connection for connection in muxed if not connection.is_closed]

    async def listens(self, listener: Listener) -> None:
        """Let libp2p's services know where peers can reach us."""
        for address in listener.get_addrs():
            self.listeners[str(address)] = listener
            await self.notify_listen(address)

    async def _serve(self, connection: NetworkConnection) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connection.muxed_conn.start)
                try:
                    await connection.accept_streams(nursery)
                finally:
                    self._remove(connection)
                # Those who serve its streams may still be busy with what they have heard.
                await self.notify_disconnected(connection)
        except Exception:
            # It must not take all others along.
            _log.exception("the connection with %s failed", connection.muxed_conn.peer_id)

    def _remove(self, connection: NetworkConnection) -> None:
        peer_id = connection.muxed_conn.peer_id
        remaining = [other for other in self.connections.get(peer_id, ()) if other is not connection]
        if remaining:
            self.connections[peer_id] = remaining
        else:
            self.connections.pop(peer_id, None)


class Listener(IListener):
    """Where we listen, for libp2p's services; the listening is ours."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._addresses = tuple(Multiaddr(str(endpoint)) for endpoint in endpoints)

    async def listen(self, maddr: Multiaddr) -> None:
        raise NotImplementedError("a listener is told where it listens, not asked to")

    def get_addrs(self) -> tuple[Multiaddr, ...]:
        return self._addresses

    async def close(self) -> None:
        self._addresses = ()
