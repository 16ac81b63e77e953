"""Connections of both kinds, made in both directions."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import trio
from libp2p.crypto.keys import KeyPair
from libp2p.peer.id import ID

from plasm_transport_quic.addresses import Carrier, Endpoint, of_socket
from plasm_transport_quic.connection_limits import ConnectionLimits
from plasm_transport_quic.identity import plasm_id
from plasm_transport_quic.memory import Allowance
from plasm_transport_quic.muxing import STREAMS_EACH_WAY, MuxedConnection
from plasm_transport_quic.network import Network
from plasm_transport_quic.quic.certificate import certificate_for
from plasm_transport_quic.quic.connection import HANDSHAKE_SECONDS, QuicConnection
from plasm_transport_quic.quic.engine import Engine, configuration
from plasm_transport_quic.quic.listening import QuicListener
from plasm_transport_quic.quic.udp import UdpSocket
from plasm_transport_quic.securing import Securing
from plasm_transport_quic.tcp import RawConnection, connect, listen

_UNREAD_BYTES = 256 * 2**20
_PAUSE_SECONDS = 0.1

_log = logging.getLogger(__name__)


class Listening:
    """A place where connections are accepted until it is given up."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._scope = trio.CancelScope()
        self._over = trio.Event()

    async def run(self, accept: Callable[[], Awaitable[None]]) -> None:
        """Accept connections with ``accept``, which closes its socket in the end."""
        try:
            with self._scope:
                await accept()
        finally:
            self._over.set()

    async def end(self) -> None:
        """Give it up."""
        self._scope.cancel()
        await self._over.wait()


class Carrying:
    """Dials and listens; a connection that comes in is added to the network as soon as it is known whose it is."""

    def __init__(self, keys: KeyPair, network: Network, nursery: trio.Nursery) -> None:
        self._network = network
        self._nursery = nursery
        self._unread = Allowance(_UNREAD_BYTES)
        self._securing = Securing(keys, self._unread)
        tls = certificate_for(keys)
        self._client = configuration(tls, is_client=True)
        self._server = configuration(tls, is_client=False)
        self._limits = ConnectionLimits(network, lambda connection: nursery.start_soon(connection.close))

    async def connect(self, endpoint: Endpoint, peer: ID) -> MuxedConnection:
        """A connection to ``peer`` at ``endpoint``.

        Raises:
            AnotherPeer: another one answers there.
            Exception: of many kinds, where nobody does, or in no way that is understood.
        """
        return await (self._quic if endpoint.carrier is Carrier.QUIC else self._tcp)(endpoint, peer)

    def listen(self, endpoint: Endpoint) -> Listening:
        """Accept connections at ``endpoint``.

        Raises:
            AddressUnavailable: it cannot be had.
        """
        if endpoint.carrier is Carrier.QUIC:
            socket = UdpSocket.at(endpoint)
            listening = Listening(socket.endpoint)
            self._nursery.start_soon(listening.run, partial(self._listen_quic, socket))
        else:
            listener = listen(endpoint)
            listening = Listening(of_socket(Carrier.TCP, listener.socket.getsockname()))
            self._nursery.start_soon(listening.run, partial(self._listen_tcp, listener))
        return listening

    # ---- QUIC ----

    async def _quic(self, endpoint: Endpoint, peer: ID) -> QuicConnection:
        engine = Engine(self._client, STREAMS_EACH_WAY)
        connection = QuicConnection(engine, UdpSocket.to(endpoint), endpoint, self._unread, expected=peer)
        self._nursery.start_soon(connection.run)
        try:
            await connection.known()
        except BaseException:
            connection.abandon()
            raise
        return connection

    async def _listen_quic(self, socket: UdpSocket) -> None:
        def welcome(connection: QuicConnection) -> bool:
            if not self._limits.enter(connection.endpoint.host):
                return False
            self._nursery.start_soon(self._meet, connection, listener)
            return True

        listener = QuicListener(socket, self._server, self._unread, welcome)
        await listener.run()

    async def _meet(self, connection: QuicConnection, listener: QuicListener) -> None:
        host = connection.endpoint.host
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connection.run)
                try:
                    await connection.known()
                except Exception as error:
                    _log.debug("a connection from %s came to nothing: %r", host, error)
                else:
                    await self._adopt(connection)
                finally:
                    self._limits.leave(host)
        finally:
            listener.forget(connection)

    # ---- TCP ----

    async def _tcp(self, endpoint: Endpoint, peer: ID) -> MuxedConnection:
        raw = await connect(endpoint)
        try:
            return await self._securing.outbound(raw, peer)
        except BaseException:
            await raw.close()
            raise

    async def _listen_tcp(self, listener: trio.SocketListener) -> None:
        with listener.socket:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    # Too many open files, most likely; some will be closed.
                    _log.warning("cannot accept a connection: %s", error)
                    await trio.sleep(_PAUSE_SECONDS)
                else:
                    self._nursery.start_soon(self._welcome, stream)

    async def _welcome(self, stream: trio.SocketStream) -> None:
        try:
            raw = RawConnection(stream, is_initiator=False)
        except OSError:
            stream.socket.close()
            return
        host = raw.endpoint.host
        if not self._limits.enter(host):
            await raw.close()
            return
        try:
            with trio.fail_after(HANDSHAKE_SECONDS):
                connection = await self._securing.inbound(raw)
                plasm_id(connection.peer_id)
        except Exception as error:  # libp2p's layers let many kinds through
            _log.debug("a connection from %s came to nothing: %r", host, error)
            await raw.close()
        except BaseException:
            await raw.close()
            raise
        else:
            await self._adopt(connection)
        finally:
            self._limits.leave(host)

    async def _adopt(self, connection: MuxedConnection) -> None:
        if self._limits.may_stay(connection):
            await self._network.add_conn(connection, "inbound")
        else:
            await connection.close()
