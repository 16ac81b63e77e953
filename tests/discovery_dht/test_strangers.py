"""What strangers send to a node of the DHT, and how little comes of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

pytest.importorskip("plasm_discovery_dht")
pytest.importorskip("plasm_transport_quic")

from discovery_dht.nodes import KAD, Node, framed, in_trio, new_transport, node, send_bad_requests, stranger
from libp2p.kad_dht.pb.kademlia_pb2 import Message
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr

from plasm.contracts import ByteStream, Connection
from plasm.errors import PeerUnreachable
from plasm_discovery_dht._addresses import MAX_ADDRESSES, key_of
from plasm_discovery_dht._host import MAX_STRANGERS
from plasm_discovery_dht._kademlia import MAX_KEYS, MAX_STREAMS_OF_PEER
from plasm_discovery_dht._lookup import MAX_PROVIDERS_OF_PEER

ED25519 = b"\x00\x24\x08\x01\x12\x20"
TCP = Multiaddr("/ip4/127.0.0.1/tcp/1").to_bytes()


def somebody() -> bytes:
    return ED25519 + os.urandom(32)


def answering(answer: Callable[[], Message]) -> Callable[[Connection, str, ByteStream], object]:
    async def handle(connection: Connection, protocol: str, stream: ByteStream) -> None:
        while await stream.receive():
            await stream.send(framed(answer()))

    return handle


def rubbish() -> Iterator[Message]:
    """Answers to GET_PROVIDERS that no honest peer gives."""
    kind = Message.GET_PROVIDERS
    peer = Message.Peer
    yield Message(type=Message.PING)
    yield Message(type=kind)
    for where in ("providerPeers", "closerPeers"):
        yield Message(type=kind, **{where: [peer()]})
        yield Message(type=kind, **{where: [peer(id=b"x" * 300_000, addrs=[TCP])]})
        yield Message(type=kind, **{where: [peer(id=b"\x12\x20" + os.urandom(32), addrs=[TCP])]})
        yield Message(type=kind, **{where: [peer(id=somebody(), addrs=[b"", b"\xff", TCP * 500, b"\x04\x7f"])]})
    yield Message(type=kind, closerPeers=[peer(id=somebody(), addrs=[TCP] * 1000, signedRecord=b"no")])


def own(node: Node) -> ID:
    return node.discovery._dht.local_peer_id


@pytest.mark.parametrize("number", range(len(list(rubbish()))))
def test_rubbish_for_an_answer_is_passed_over(tmp_path: Path, number: int) -> None:
    async def look() -> None:
        async with stranger(answering(lambda: list(rubbish())[number])) as bad, node(tmp_path / "a") as good:  # type: ignore[arg-type]
            await good.advertise()
            async with node(tmp_path / "b", [*bad, *good.record.addresses]) as asks:
                assert await asks.finds(good) == [good.record]

    in_trio(look)


def test_a_flood_of_providers_is_cut_off(tmp_path: Path) -> None:
    def answer() -> Message:
        addresses = [Multiaddr(f"/ip4/192.0.2.7/tcp/{port}").to_bytes() for port in range(1, 100)]
        providers = [Message.Peer(id=somebody(), addrs=addresses) for _ in range(500)]
        return Message(type=Message.GET_PROVIDERS, providerPeers=providers)

    async def look() -> None:
        async with stranger(answering(answer)) as bad, node(tmp_path / "a", bad, listens=()) as asks:  # type: ignore[arg-type]
            found = [record async for record in asks.discovery.find("/plasm/capability/x86_64/wasmtime")]
            assert len(found) == MAX_PROVIDERS_OF_PEER
            assert all(len(record.addresses) <= MAX_ADDRESSES for record in found)

    in_trio(look)


def test_a_web_of_strangers_ends(tmp_path: Path) -> None:
    """Each answer names twenty more that are nowhere."""

    def answer() -> Message:
        closer = [Message.Peer(id=somebody(), addrs=[Multiaddr("/ip4/127.0.0.1/tcp/1").to_bytes()]) for _ in range(500)]
        return Message(type=Message.GET_PROVIDERS, closerPeers=closer)

    async def look() -> None:
        async with stranger(answering(answer)) as bad, node(tmp_path / "a", bad, listens=()) as asks:  # type: ignore[arg-type]
            assert [record async for record in asks.discovery.find("/plasm/capability/x86_64/wasmtime")] == []
            assert asks.size <= 1

    in_trio(look)


def test_bad_requests_leave_no_trace(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as victim, node(tmp_path / "b", victim.record.addresses) as other:
            await victim.advertise()
            await send_bad_requests(victim.record)
            assert victim.discovery._dht.provider_store.get_providers(b"k") == []
            assert victim.discovery._dht.get_value_store_size() == 0
            assert await other.finds(victim) == [victim.record]
            assert victim.size == 1

    in_trio(look)


def test_silent_streams_do_not_keep_others_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plasm_discovery_dht._kademlia.STREAM_SECONDS", 3600)

    async def look() -> None:
        transport, _ = new_transport()
        async with node(tmp_path / "a") as victim, transport:
            await victim.advertise()
            connection = await transport.dial(victim.record)
            streams = []
            for _ in range(3 * MAX_STREAMS_OF_PEER):
                with contextlib.suppress(PeerUnreachable):
                    streams.append(await connection.open_stream(KAD))
            assert len(streams) >= MAX_STREAMS_OF_PEER
            async with node(tmp_path / "b", victim.record.addresses, listens=()) as asks:
                assert await asks.finds(victim) == [victim.record]
            for stream in streams:
                await stream.reset()

    in_trio(look, seconds=20)


def test_a_silent_stream_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plasm_discovery_dht._kademlia.STREAM_SECONDS", 0.1)

    async def look() -> None:
        transport, _ = new_transport()
        async with node(tmp_path / "a") as victim, transport:
            connection = await transport.dial(victim.record)
            with pytest.raises((anyio.BrokenResourceError, PeerUnreachable)):
                await (await connection.open_stream(KAD)).receive()

    in_trio(look)


def test_strangers_cannot_push_out_what_a_node_knows_of_itself(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as one, node(tmp_path / "b", one.record.addresses) as other:
            store = one.discovery._host.get_peerstore()
            for _ in range(3 * MAX_STRANGERS):
                store.add_addrs(ID(somebody()), [Multiaddr(TCP)], 3600)
            assert len(store.peer_ids()) <= MAX_STRANGERS + 2
            assert store.privkey(own(one))
            assert store.addrs(own(other))
            many = [Multiaddr(f"/ip4/192.0.2.7/tcp/{port}") for port in range(1, 1000)]
            for start in range(0, 900, 50):
                store.add_addrs(ID(ED25519 + bytes(32)), many[start : start + 50], 3600)
            assert len(store.addrs(ID(ED25519 + bytes(32)))) <= 2 * MAX_ADDRESSES

    in_trio(look)


def test_provider_records_stay_within_bounds(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as one:
            await one.advertise("mine")
            store = one.discovery._dht.provider_store
            await store.provide(key_of("mine"))
            many = [Multiaddr(f"/ip4/192.0.2.7/tcp/{port}") for port in range(1, 1000)]
            for number in range(2 * MAX_KEYS):
                store.add_provider(number.to_bytes(4, "big"), PeerInfo(ID(somebody()), many))
            assert len(store.providers) <= MAX_KEYS
            assert [info.peer_id for info in store.get_providers(key_of("mine"))] == [own(one)]
            assert len(store.get_providers((2 * MAX_KEYS - 1).to_bytes(4, "big"))[0].addrs) == MAX_ADDRESSES

    in_trio(look)


def test_a_peer_that_lies_about_what_it_speaks_is_not_asked_again(tmp_path: Path) -> None:
    async def look() -> None:
        async def silent(connection: Connection, protocol: str, stream: ByteStream) -> None:
            await stream.reset()

        async with stranger(silent) as bad, node(tmp_path / "a", bad, listens=()) as asks:
            assert [record async for record in asks.discovery.find("/plasm/capability/x86_64/wasmtime")] == []
            assert asks.size == 0

    in_trio(look)
