"""With libp2p: its services run on our host, and its own transports understand ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from libp2p import new_host
from libp2p.abc import IHost, INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.ping import PingService
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr
from transport_quic.peers import ECHO, QUIC, TCP, all_of, echoed, peer

from plasm.contracts import PeerRecord
from plasm.errors import PeerUnreachable, ProtocolNotSpoken
from plasm.model import PeerId
from plasm_transport_quic.identity import libp2p_id

pytestmark = pytest.mark.anyio

THEIRS = TProtocol("/libp2p/test/1")
CONTENT = bytes(range(256)) * 100


async def libp2p_echo(stream: INetStream) -> None:
    try:
        while True:
            await stream.write(await stream.read(65536))
    except StreamEOF:
        await stream.close()


async def answer(stream: INetStream, content: bytes) -> bytes:
    await stream.write(content)
    received = b""
    while len(received) < len(content):
        received += await stream.read(65536)
    return received


@pytest.mark.parametrize("address", [TCP, QUIC])
async def test_its_services_run_beside_our_protocols(address: str) -> None:
    async with peer(address) as server, peer(address) as client:
        server.transport.host.set_stream_handler(THEIRS, libp2p_echo)
        info = info_from_p2p_addr(Multiaddr(server.record.addresses[0]))
        await client.transport.host.connect(info)
        stream = await client.transport.host.new_stream(info.peer_id, [THEIRS])
        assert await answer(stream, CONTENT) == CONTENT
        await stream.close()
        assert len(await PingService(client.transport.host).ping(info.peer_id, 2)) == 2
        assert await echoed(await client.transport.dial(server.record), b"x") == b"x"
        assert client.transport.host.get_connected_peers() == [libp2p_id(server.peer)]
        assert [str(found) for found in server.transport.host.get_addrs()] == list(server.record.addresses)


async def test_a_service_that_fails_costs_its_stream() -> None:
    async def fail(stream: INetStream) -> None:
        raise ArithmeticError

    async with peer(TCP) as server, peer() as client:
        server.transport.host.set_stream_handler(THEIRS, fail)
        connection = await client.transport.dial(server.record)
        for _ in range(2):
            with pytest.raises((anyio.BrokenResourceError, PeerUnreachable)):  # before or after they agree on it
                await all_of(await connection.open_stream(THEIRS))
        assert await echoed(connection, b"x") == b"x"


@asynccontextmanager
async def bare_host(address: str) -> AsyncIterator[IHost]:
    """libp2p as it comes, with its own QUIC and Yamux."""
    listening = [Multiaddr(address)]
    host = new_host(key_pair=create_new_key_pair(), enable_quic="quic" in address, listen_addrs=listening)
    host.set_stream_handler(TProtocol(ECHO), libp2p_echo)
    async with host.run(listening):
        yield host


@pytest.mark.parametrize("address", [TCP, QUIC])
async def test_libp2p_as_it_comes_can_be_dialled(address: str) -> None:
    async with bare_host(address) as bare, peer() as ours:
        them = PeerId(bare.get_public_key().to_bytes())
        connection = await ours.transport.dial(PeerRecord(them, [str(found) for found in bare.get_addrs()]))
        stream = await connection.open_stream(ECHO)
        await stream.send(CONTENT)
        await stream.send_eof()
        assert await all_of(stream) == CONTENT
        with pytest.raises(ProtocolNotSpoken):
            await connection.open_stream(THEIRS)


@pytest.mark.parametrize("address", [TCP, QUIC])
async def test_libp2p_as_it_comes_can_dial(address: str) -> None:
    async with bare_host(address) as bare, peer(address) as ours:
        info = info_from_p2p_addr(Multiaddr(ours.record.addresses[0]))
        await bare.connect(info)
        stream = await bare.new_stream(info.peer_id, [TProtocol(ECHO)])
        assert await answer(stream, CONTENT) == CONTENT
        await stream.close()
