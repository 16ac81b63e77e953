"""How large datagrams are: as large as the path carries them, and small where it swallows them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from aioquic.buffer import Buffer
from aioquic.quic.packet import QuicTransportParameters, push_quic_transport_parameters
from attrs import evolve
from transport_quic.peers import QUIC, Key, echoed, peer

from plasm.contracts.transport import Connection
from plasm_transport_quic.connections import PeerConnection
from plasm_transport_quic.identity import key_pair
from plasm_transport_quic.quic.certificate import certificate_for
from plasm_transport_quic.quic.connection import QuicConnection
from plasm_transport_quic.quic.engine import LARGEST_DATAGRAM, SMALLEST_DATAGRAM, Engine, configuration
from plasm_transport_quic.quic.udp import DatagramTooLarge, UdpSocket, largest_datagram

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 2000
SWALLOWED = 1300  # what is larger


def size(connection: Connection) -> int:
    muxed = connection._muxed  # type: ignore[attr-defined]
    assert isinstance(muxed, QuicConnection)
    return muxed.engine.datagram_size


def test_the_kernel_knows_what_the_first_link_carries() -> None:
    assert 65000 < largest_datagram(("127.0.0.1", 9)) <= 65536 - 28
    assert 65000 < largest_datagram(("::1", 9)) <= 65536 - 48


async def test_the_loopback_carries_large_ones_both_ways() -> None:
    async with peer(QUIC) as server, peer() as client:
        connection = await client.transport.dial(server.record)
        await echoed(connection, CONTENT)
        assert size(connection) == LARGEST_DATAGRAM
        (theirs,) = server.transport._network.muxed_connections()
        assert size(PeerConnection(theirs)) == LARGEST_DATAGRAM


@asynccontextmanager
async def narrow_path(port: int, limit: list[int]) -> AsyncIterator[int]:
    """A port from which datagrams go on to ``port`` and back, but for those above the ``limit``: they vanish."""
    with (
        trio.socket.socket(type=trio.socket.SOCK_DGRAM) as near,
        trio.socket.socket(type=trio.socket.SOCK_DGRAM) as far,
    ):
        await near.bind(("127.0.0.1", 0))
        await far.connect(("127.0.0.1", port))
        clients: list[tuple[str, int]] = []

        async def there() -> None:
            while True:
                data, client = await near.recvfrom(65536)
                clients[:] = [client]
                if len(data) <= limit[0]:
                    await far.send(data)

        async def back() -> None:
            while True:
                data = await far.recv(65536)
                if len(data) <= limit[0]:
                    await near.sendto(data, clients[0])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(there)
            nursery.start_soon(back)
            yield near.getsockname()[1]
            nursery.cancel_scope.cancel()


async def test_a_path_that_swallows_large_ones_carries_all_the_same() -> None:
    async with peer(QUIC) as server, peer() as client:
        port = server.record.addresses[0].split("/")[4]
        async with narrow_path(int(port), [SWALLOWED]) as narrow:
            record = evolve(server.record, addresses=[QUIC.replace("/udp/0", f"/udp/{narrow}")])
            connection = await client.transport.dial(record)
            assert await echoed(connection, CONTENT) == CONTENT
            await connection.close()
            assert SMALLEST_DATAGRAM <= size(connection) <= SWALLOWED


async def test_a_path_that_refuses_large_ones_carries_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    send = UdpSocket.send

    async def refuse_large(self: UdpSocket, data: bytes, *where: object) -> None:
        if len(data) > SWALLOWED:
            raise DatagramTooLarge
        await send(self, data, *where)  # type: ignore[arg-type]

    monkeypatch.setattr(UdpSocket, "send", refuse_large)
    async with peer(QUIC) as server, peer() as client:
        connection = await client.transport.dial(server.record)
        assert await echoed(connection, CONTENT) == CONTENT
        assert SMALLEST_DATAGRAM <= size(connection) <= SWALLOWED


@pytest.mark.parametrize(
    ("taken", "tried"), [(1200, []), (1252, [1252, 1232]), (65527, [LARGEST_DATAGRAM, 1372, 1232])]
)
def test_no_larger_ones_are_tried_than_the_peer_takes(taken: int, tried: list[int]) -> None:
    engine = Engine(configuration(certificate_for(key_pair(Key())), is_client=True), 1)
    said = Buffer(capacity=1000)
    push_quic_transport_parameters(said, QuicTransportParameters(max_udp_payload_size=taken))
    engine._parse_transport_parameters(said.data, from_session_ticket=True)
    engine.try_datagrams_of(65508)
    assert engine._sizes_to_try == tried
    assert engine.datagram_size == SMALLEST_DATAGRAM, "until one has arrived"


async def test_a_path_that_begins_to_swallow_them_carries_all_the_same() -> None:
    async with peer(QUIC) as server, peer() as client:
        port = server.record.addresses[0].split("/")[4]
        limit = [LARGEST_DATAGRAM]
        async with narrow_path(int(port), limit) as narrow:
            record = evolve(server.record, addresses=[QUIC.replace("/udp/0", f"/udp/{narrow}")])
            connection = await client.transport.dial(record)
            assert await echoed(connection, CONTENT) == CONTENT
            assert size(connection) == LARGEST_DATAGRAM
            limit[0] = SWALLOWED
            assert await echoed(connection, CONTENT) == CONTENT
            assert size(connection) == SMALLEST_DATAGRAM
            await connection.close()
