"""A UDP socket at which QUIC connections arrive, each told from the others by the connection ids in its datagrams."""

from __future__ import annotations

import logging
from typing import Protocol

import trio
from aioquic.buffer import Buffer  # type: ignore[attr-defined]  # it is there to be imported
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    QuicProtocolVersion,
    encode_quic_version_negotiation,
    pull_quic_header,
)

from plasm_transport_quic.addresses import Carrier, of_socket
from plasm_transport_quic.memory import Allowance
from plasm_transport_quic.muxing import STREAMS_EACH_WAY
from plasm_transport_quic.quic.connection import QuicConnection
from plasm_transport_quic.quic.engine import SMALLEST_DATAGRAM, Engine
from plasm_transport_quic.quic.udp import Datagram, DatagramTooLarge, UdpSocket

_log = logging.getLogger(__name__)


class Welcome(Protocol):
    """Takes up a connection of which nothing is known yet, or refuses to."""

    def __call__(self, connection: QuicConnection) -> bool: ...


class QuicListener:
    """Makes a connection of each first datagram, and brings those that follow to it."""

    def __init__(
        self, socket: UdpSocket, configuration: QuicConfiguration, unread: Allowance, welcome: Welcome
    ) -> None:
        self._socket = socket
        self._configuration = configuration
        self._unread = unread
        self._welcome = welcome
        self._connections: dict[bytes, QuicConnection] = {}

    async def run(self) -> None:
        """Listen until cancelled; the socket is closed then."""
        try:
            while True:
                try:
                    datagrams = await self._socket.receive()
                except OSError as error:
                    # An earlier answer did not reach whom it was for; nothing says whom.
                    _log.debug("receiving failed: %s", error)
                    await trio.lowlevel.checkpoint()
                    continue
                for datagram in datagrams:
                    if (connection := await self._connection(datagram)) is not None:
                        connection.take((datagram,))
        finally:
            self._socket.close()

    def forget(self, connection: QuicConnection) -> None:
        """It is over."""
        for connection_id in [key for key, value in self._connections.items() if value is connection]:
            del self._connections[connection_id]

    async def _connection(self, datagram: Datagram) -> QuicConnection | None:
        try:
            header = pull_quic_header(
                Buffer(data=datagram.data), host_cid_length=self._configuration.connection_id_length
            )
        except ValueError:
            return None
        if (connection := self._connections.get(header.destination_cid)) is not None:
            return connection
        if header.version is None or len(datagram.data) < SMALLEST_DATAGRAM:
            return None
        if header.version not in (QuicProtocolVersion.NEGOTIATION, *self._configuration.supported_versions):
            await self._offer_versions(header, datagram)
        elif header.packet_type is QuicPacketType.INITIAL:
            return self._new(header, datagram)
        return None

    def _new(self, header: QuicHeader, datagram: Datagram) -> QuicConnection | None:
        engine = Engine(self._configuration, STREAMS_EACH_WAY, original_destination=header.destination_cid)
        connection = QuicConnection(
            engine, self._socket, of_socket(Carrier.QUIC, datagram.sender), self._unread, on_ids=self._note_id
        )
        if not self._welcome(connection):
            return None
        self._connections[header.destination_cid] = connection
        self._connections[engine.host_cid] = connection
        return connection

    def _note_id(self, connection: QuicConnection, connection_id: bytes, is_valid: bool) -> None:
        if is_valid:
            self._connections[connection_id] = connection
        else:
            self._connections.pop(connection_id, None)

    async def _offer_versions(self, header: QuicHeader, datagram: Datagram) -> None:
        offer = encode_quic_version_negotiation(
            source_cid=header.destination_cid,
            destination_cid=header.source_cid,
            supported_versions=self._configuration.supported_versions,
        )
        try:
            await self._socket.send(offer, datagram.sender, datagram.arrived_at)
        except (OSError, DatagramTooLarge) as error:
            _log.debug("no versions could be offered: %s", error)
