"""Which way a peer is reached: by how much there is to carry, by what is there already, and by what answers."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import anyio
import pytest
import trio
from attrs import evolve
from transport_quic.peers import ECHO, QUIC, TCP, all_of, echoed, peer

from plasm.contracts.transport import ByteStream, Connection
from plasm.errors import AddressUnavailable, InvalidInput, PeerUnreachable
from plasm_transport_quic.transport import BULK_BYTES

pytestmark = pytest.mark.anyio


def closed_port(kind: socket.SocketKind) -> int:
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def kinds(addresses: Sequence[str]) -> list[str]:
    return ["QUIC" if "/quic-v1" in address else "TCP" for address in addresses]


async def test_little_goes_over_quic_and_much_over_tcp() -> None:
    async with peer(TCP, QUIC) as server:
        for payload, kind in ((0, "QUIC"), (BULK_BYTES, "QUIC"), (BULK_BYTES + 1, "TCP")):
            async with peer() as client:
                connection = await client.transport.dial(server.record, payload=payload)
                assert kinds([connection.address]) == [kind]
                assert await echoed(connection, b"x") == b"x"


async def test_a_better_way_is_taken_beside_the_one_that_is_there() -> None:
    async with peer(TCP, QUIC) as server, peer() as client:
        dials = [await client.transport.dial(server.record, payload=payload) for payload in (0, 2**30, 2**30, 0)]
        addresses = [connection.address for connection in dials]
        assert kinds(addresses) == ["QUIC", "TCP", "TCP", "QUIC"]
        assert len(set(addresses)) == 2


async def test_what_is_there_is_good_enough_for_little() -> None:
    async with peer(TCP, QUIC) as server, peer() as client:
        dials = [await client.transport.dial(server.record, payload=payload) for payload in (2**30, 0)]
        assert kinds([connection.address for connection in dials]) == ["TCP", "TCP"]


async def test_where_the_better_way_does_not_answer_another_will_do() -> None:
    async with peer(QUIC) as server, peer() as client:
        dead = TCP.replace("/0", f"/{closed_port(socket.SOCK_STREAM)}")
        record = evolve(server.record, addresses=[dead, *server.record.addresses])
        for _ in range(2):
            connection = await client.transport.dial(record, payload=2**30)
            assert kinds([connection.address]) == ["QUIC"]


async def test_one_address_that_answers_is_enough() -> None:
    async with peer(TCP) as server, peer() as client:
        dead = [
            QUIC.replace("/0", f"/{closed_port(socket.SOCK_DGRAM)}"),
            "/dns4/no-such-host.invalid/tcp/1",
            "nonsense",
        ]
        record = evolve(server.record, addresses=[*dead, *server.record.addresses])
        assert await echoed(await client.transport.dial(record), b"x") == b"x"


async def test_names_are_resolved() -> None:
    async with peer(TCP) as server, peer() as client:
        named = server.record.addresses[0].replace("/ip4/127.0.0.1", "/dns4/localhost")
        assert await echoed(await client.transport.dial(evolve(server.record, addresses=[named])), b"x") == b"x"


async def test_what_was_tried_is_said() -> None:
    async with peer(TCP) as server, peer() as other, peer() as client:
        port = closed_port(socket.SOCK_DGRAM)
        bare = server.record.addresses[0].partition("/p2p/")[0]
        addresses = [bare, QUIC.replace("/0", f"/{port}"), "nonsense", server.record.addresses[0]]
        with pytest.raises(PeerUnreachable) as caught:
            await client.transport.dial(evolve(other.record, addresses=addresses))
        for said in (f"{bare}: another peer answers there", f"/udp/{port}/quic-v1: Connection refused", "nonsense"):
            assert said in str(caught.value)


async def test_a_node_does_not_dial_itself() -> None:
    async with peer(TCP) as node:
        with pytest.raises(InvalidInput, match="itself"):
            await node.transport.dial(node.record)


async def test_what_cannot_be_listened_at_is_refused() -> None:
    async with peer(TCP, QUIC) as server:
        for address in ("/dns4/localhost/tcp/0", f"{TCP}/p2p/{evolve(server.peer, public_key=bytes(32))}"):
            with pytest.raises(InvalidInput, match="cannot listen"):
                await server.transport.listen([address], lambda *_: None, [])  # type: ignore[arg-type, return-value]
        with pytest.raises(AddressUnavailable, match=r"198\.51\.100\.1"):
            await server.transport.listen(["/ip4/198.51.100.1/udp/0/quic-v1"], lambda *_: None, [])  # type: ignore[arg-type, return-value]


async def test_where_one_address_cannot_be_had_none_is_listened_at() -> None:
    async with peer(TCP, QUIC) as server, peer() as other:
        free = TCP.replace("/0", f"/{closed_port(socket.SOCK_STREAM)}")
        taken = [address.partition("/p2p/")[0] for address in server.record.addresses]
        for address in taken:
            with pytest.raises(AddressUnavailable, match="in use"):
                await other.transport.listen([free, address], lambda *_: None, [])  # type: ignore[arg-type, return-value]
        record = evolve(other.record, addresses=[free])
        with pytest.raises(PeerUnreachable, match="Connection refused"):
            await server.transport.dial(record)


@pytest.mark.parametrize("address", [TCP, QUIC])
async def test_what_was_sent_before_the_end_arrives(address: str) -> None:
    content = bytes(range(256)) * 400

    async def say_all_and_leave(connection: Connection, protocol: str, stream: ByteStream) -> None:
        await stream.send(content)
        await stream.send_eof()
        await connection.close()

    async with peer(address, handler=say_all_and_leave) as server, peer() as client:
        connection = await client.transport.dial(server.record)
        stream = await connection.open_stream(ECHO)
        while not connection._muxed.is_closed:
            await trio.lowlevel.checkpoint()
        assert await all_of(stream) == content
        with pytest.raises(anyio.BrokenResourceError):
            await stream.send(b"x")


async def test_errors_of_the_block_stay_what_they_are() -> None:
    async def fail() -> None:
        async with peer(TCP, QUIC) as server, peer() as client:
            await client.transport.dial(server.record)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await fail()
