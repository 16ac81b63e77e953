"""What strangers may do: not much, and nothing that others feel."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import anyio
import pytest
import trio
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable, MuxedStreamError
from transport_quic.peers import ECHO, QUIC, TCP, Peer, echoed, peer

from plasm.contracts.transport import ByteStream, Connection
from plasm.errors import PeerUnreachable
from plasm_transport_quic import carrying, connection_limits
from plasm_transport_quic.frames import Flag, Kind, encode
from plasm_transport_quic.memory import Allowance
from plasm_transport_quic.muxing import STREAMS_EACH_WAY, MuxedConnection
from plasm_transport_quic.quic.connection import QuicConnection
from plasm_transport_quic.yamux import Yamux

pytestmark = pytest.mark.anyio

FLOOD = 10_000
GREETING = b"\x13/multistream/1.0.0\n"


async def connect(client: Peer, server: Peer) -> MuxedConnection:
    connection = await client.transport.dial(server.record)
    muxed = connection._muxed
    assert isinstance(muxed, MuxedConnection)
    return muxed


async def still_serves(server: Peer) -> None:
    async with peer() as another:
        assert await echoed(await another.transport.dial(server.record), b"x") == b"x"


def connections(server: Peer) -> list[MuxedConnection]:
    return server.transport._network.muxed_connections()


async def test_streams_without_end_over_tcp_are_reset() -> None:
    async with peer(TCP) as server, peer() as client:
        muxed = await connect(client, server)
        muxed._may_open = trio.Semaphore(FLOOD)
        streams = [await muxed.open_stream() for _ in range(FLOOD)]
        excess = 0
        for stream in streams[STREAMS_EACH_WAY + 10 :]:  # libp2p's services have a few of their own
            with pytest.raises(MuxedStreamError):
                await stream.read()
            excess += 1
        assert excess
        assert all(len(connection._streams) <= 2 * STREAMS_EACH_WAY for connection in connections(server))
        await still_serves(server)


async def test_streams_without_end_over_quic_cost_the_connection() -> None:
    async with peer(QUIC) as server, peer() as client:
        muxed = await connect(client, server)
        assert isinstance(muxed, QuicConnection)
        muxed.engine._remote_max_streams_bidi = FLOOD
        muxed._may_open = trio.Semaphore(FLOOD)

        async def flood() -> None:
            for _ in range(FLOOD):
                await (await muxed.open_stream()).send(b"x")
            await muxed._over.wait()
            raise MuxedConnUnavailable

        with pytest.raises((anyio.BrokenResourceError, MuxedConnUnavailable)):
            await flood()
        assert "Too many streams open" in muxed.engine.end_reason
        await still_serves(server)


async def test_streams_opened_and_reset_at_once_are_forgotten() -> None:
    async with peer(TCP) as server, peer() as client:
        muxed = await connect(client, server)
        assert isinstance(muxed, Yamux)
        for number in range(FLOOD):
            stream_id = 1_000_001 + 2 * number
            muxed.queue(encode(Kind.WINDOW_UPDATE, Flag.SYN, stream_id, 0))
            muxed.queue(encode(Kind.WINDOW_UPDATE, Flag.RST, stream_id, 0))
            if number % 100 == 0:
                await trio.lowlevel.checkpoint()
        await still_serves(server)


@pytest.mark.parametrize(
    "wire",
    [
        encode(Kind.DATA, Flag.SYN, 101, 2**20),
        encode(Kind.WINDOW_UPDATE, Flag.SYN, 102, 0),
        encode(Kind.WINDOW_UPDATE, Flag.SYN, 0, 0),
        b"\7" * 12,
    ],
    ids=["more than the window", "the other side's stream", "no stream", "not Yamux"],
)
async def test_who_breaks_the_protocol_loses_the_connection(wire: bytes) -> None:
    async with peer(TCP) as server, peer() as client:
        muxed = await connect(client, server)
        assert isinstance(muxed, Yamux)
        muxed.queue(wire)
        await muxed._over.wait()
        await still_serves(server)


async def test_who_does_not_read_what_it_causes_loses_the_connection() -> None:
    """Pings ask for answers; one that sends them and reads nothing could fill our memory with answers."""
    async with peer(TCP) as server, peer() as client:
        muxed = await connect(client, server)
        assert isinstance(muxed, Yamux)
        (theirs,) = connections(server)

        async def read_nothing() -> bytes:
            await trio.sleep_forever()
            return b""

        muxed._secured.read = read_nothing  # type: ignore[method-assign, assignment]
        while not theirs.is_closed:
            muxed.queue(encode(Kind.PING, Flag.SYN, 0, 1) * 1000)
            await trio.lowlevel.checkpoint()
        await still_serves(server)


@pytest.mark.parametrize("said", [b"\xff" * 30, GREETING + b"\x03\xff\xfe\n", GREETING + b"\x01\n"])
@pytest.mark.parametrize("address", [TCP, QUIC])
async def test_nonsense_on_a_stream_costs_the_stream(address: str, said: bytes) -> None:
    """libp2p 0.8.1 lets an error here end the whole swarm."""
    async with peer(address) as server, peer() as client:
        muxed = await connect(client, server)
        stream = await muxed.open_stream()
        await stream.send(said)
        await stream.send_eof()
        try:
            while await stream.receive():
                pass
        except anyio.BrokenResourceError:
            pass
        assert await echoed(await client.transport.dial(server.record), b"x") == b"x"


async def test_nonsense_instead_of_a_handshake_is_dropped() -> None:
    async with peer(TCP, QUIC) as server:
        tcp, quic = (int(address.split("/")[4]) for address in server.record.addresses)
        for content in (
            b"GET / HTTP/1.1\r\n\r\n",
            os.urandom(2000),
            GREETING + b"\x07/noise\n" + bytes(100),
        ):
            async with await anyio.connect_tcp("127.0.0.1", tcp) as stream:
                await stream.send(content)
                await stream.send_eof()
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            for content in (b"", b"\xc0", os.urandom(100), b"\xc0\0\0\0\1" + os.urandom(1300), b"\xc0" + bytes(1300)):
                sender.sendto(content, ("127.0.0.1", quic))
        await still_serves(server)


async def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "HANDSHAKE_SECONDS", 0.01)
    async with peer(TCP) as server:
        port = int(server.record.addresses[0].split("/")[4])
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()


async def test_one_host_cannot_take_all_handshakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "MOST_HANDSHAKES_OF_ONE_HOST", 2)
    async with peer(TCP, QUIC) as server:
        port = int(server.record.addresses[0].split("/")[4])
        silent = [await anyio.connect_tcp("127.0.0.1", port) for _ in range(2)]
        async with await anyio.connect_tcp("127.0.0.1", port) as third:
            with pytest.raises(anyio.EndOfStream):
                await third.receive()
        for stream in silent:
            await stream.aclose()


async def test_a_full_house_makes_room_by_what_nobody_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "MOST_CONNECTIONS", 2)

    async def wait(connection: Connection, protocol: str, stream: ByteStream) -> None:
        await stream.send(b"x")
        await stream.receive()

    async with peer(TCP, handler=wait) as server, peer() as busy, peer() as idle, peer() as third, peer() as fourth:
        used = await (await busy.transport.dial(server.record)).open_stream(ECHO)
        assert await used.receive() == b"x"
        await (await idle.transport.dial(server.record)).open_stream(ECHO)
        with pytest.raises(PeerUnreachable):
            await third.transport.dial(server.record)
        (unused,) = [connection for connection in connections(server) if str(idle.peer) == str(connection.peer_id)]
        await (await idle.transport.dial(server.record)).close()
        while not unused.is_closed:
            await trio.lowlevel.checkpoint()
        stream = await (await fourth.transport.dial(server.record)).open_stream(ECHO)
        assert await stream.receive() == b"x"
        await used.send(b"still")
        assert await used.receive() == b""


async def test_one_peer_has_only_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "MOST_OF_ONE_PEER", 1)
    async with peer(TCP, QUIC) as server, peer() as client:
        first = await client.transport.dial(server.record)
        second = await client.transport.dial(server.record, payload=2**30)
        with pytest.raises(PeerUnreachable):
            await second.open_stream(ECHO)
        assert await echoed(first, b"x") == b"x"


@pytest.fixture
def allowances() -> tuple[Allowance, Callable[[], Allowance]]:
    whole = Allowance(100)
    return whole, lambda: Allowance(60, within=whole)


def test_an_allowance_is_kept_to(allowances: tuple[Allowance, Callable[[], Allowance]]) -> None:
    whole, part = allowances
    one, other = part(), part()
    assert one.take(60)
    assert not one.take(1)
    assert other.take(40)
    assert not other.take(1), "the whole is used up"
    one.give_back(10)
    assert other.take(10)
    other.close()
    other.give_back(50)
    assert whole.take(50)
    assert not whole.take(1)
