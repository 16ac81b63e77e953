"""Nodes of a DHT on the loopback interface, honest ones and others."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
from attrs import frozen
from libp2p.kad_dht.pb.kademlia_pb2 import Message
from libp2p.utils.varint import encode_uvarint
from multiaddr import Multiaddr

from plasm.contracts import ByteStream, Connection, PeerRecord
from plasm.contracts.transport import StreamHandler
from plasm.model import PeerId
from plasm.testing.discovery import Member
from plasm_discovery_dht._addresses import bootstrap_peers
from plasm_discovery_dht._discovery import DhtDiscovery
from plasm_discovery_dht._membership import DhtSettings
from plasm_signing_ed25519._signer import Ed25519Signer
from plasm_transport_quic.transport import Libp2pTransport

KAD = "/ipfs/kad/1.0.0"
LOOPBACK = ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0")
CAPABILITY = "/plasm/capability/x86_64/wasmtime"


def in_trio(test: Callable[[], Awaitable[None]], seconds: float = 60) -> None:
    async def bounded() -> None:
        with anyio.fail_after(seconds):
            await test()

    anyio.run(bounded, backend="trio")


def new_transport(seed: bytes = b"") -> tuple[Libp2pTransport, PeerId]:
    signer = Ed25519Signer(seed or os.urandom(32))
    return Libp2pTransport(signer), PeerId(signer.public_key)


async def nothing(connection: Connection, protocol: str, stream: ByteStream) -> None:
    """Speaks a protocol so that the transport has something to listen for."""


@asynccontextmanager
async def member(
    memory: Path,
    bootstrap: Sequence[str] = (),
    *,
    listens: Sequence[str] = LOOPBACK,
    seed: bytes = b"",
    announce: Sequence[Multiaddr] = (),
) -> AsyncIterator[Member]:
    """A node whose discovery is not entered yet; it ``listens`` at these addresses, or not at all."""
    transport, peer = new_transport(seed)
    async with transport:
        addresses = await transport.listen(listens, nothing, ["/plasm/nothing/1"]) if listens else ()
        discovery = DhtDiscovery(peer, transport, DhtSettings(memory, bootstrap_peers(bootstrap), announce))
        yield Member(discovery, PeerRecord(peer, addresses))


@frozen
class Node:
    """A node that takes part in the DHT."""

    discovery: DhtDiscovery
    record: PeerRecord

    @property
    def peer(self) -> PeerId:
        return self.record.peer

    def knows(self, other: Node) -> bool:
        """Whether ``other`` is in this node's routing table."""
        return self.discovery._dht.routing_table.peer_in_table(other.discovery._dht.local_peer_id)

    @property
    def size(self) -> int:
        return self.discovery._dht.get_routing_table_size()

    async def finds(self, *wanted: Node, capability: str | None = CAPABILITY) -> list[PeerRecord]:
        """What a search finds, begun again until it finds all that are ``wanted``."""
        while True:
            found = [record async for record in self.discovery.find(capability)]
            if {node.peer for node in wanted} <= {record.peer for record in found}:
                return found
            await anyio.lowlevel.checkpoint()

    async def advertise(self, *capabilities: str) -> None:
        await self.discovery.advertise(self.record, capabilities or [CAPABILITY])


@asynccontextmanager
async def node(
    memory: Path,
    bootstrap: Sequence[str] = (),
    *,
    listens: Sequence[str] = LOOPBACK,
    seed: bytes = b"",
    announce: Sequence[Multiaddr] = (),
) -> AsyncIterator[Node]:
    """A node that has joined the others, if there are any."""
    async with member(memory, bootstrap, listens=listens, seed=seed, announce=announce) as made:
        assert isinstance(made.discovery, DhtDiscovery)
        async with made.discovery as discovery:
            await discovery._membership.joined.wait()
            yield Node(discovery, made.record)


@asynccontextmanager
async def members(count: int, folder: Path) -> AsyncIterator[Sequence[Member]]:
    """Nodes that begin with the first of them."""
    async with AsyncExitStack() as stack:
        made: list[Member] = []
        for number in range(count):
            bootstrap = made[0].record.addresses[:1] if made else ()
            made.append(await stack.enter_async_context(member(folder / f"{number}.json", bootstrap)))
        yield made


@asynccontextmanager
async def several(count: int, folder: Path, bootstrap: Sequence[str] = ()) -> AsyncIterator[Sequence[Node]]:
    """Nodes that begin with ``bootstrap``, or else with the first of them."""
    async with AsyncExitStack() as stack:
        made: list[Node] = []
        for number in range(count):
            begin = bootstrap or (made[0].record.addresses if made else ())
            made.append(await stack.enter_async_context(node(folder / f"{number}.json", begin)))
        yield made


@asynccontextmanager
async def stranger(handler: StreamHandler) -> AsyncIterator[Sequence[str]]:
    """A peer that answers questions to a DHT as ``handler`` does; yields where it is."""
    transport, _ = new_transport()
    async with transport:
        yield await transport.listen(LOOPBACK[:1], handler, [KAD])


def framed(message: Message) -> bytes:
    data = message.SerializeToString()
    return encode_uvarint(len(data)) + data


def bad_requests() -> Sequence[bytes]:
    """What no honest peer asks."""
    somebody = b"\x00\x24\x08\x01\x12\x20" + os.urandom(32)
    peer = Message.Peer(id=somebody, addrs=[b"\x04\x7f\x00\x00\x01\x06\x00\x01"])
    return [
        b"",
        os.urandom(300),
        b"\xff" * 20,
        encode_uvarint(2**40),
        encode_uvarint(100) + b"short",
        encode_uvarint(8) + b"\xff" * 8,
        framed(Message()),
        framed(Message(type=Message.FIND_NODE)),
        framed(Message(type=Message.FIND_NODE, key=b"x" * 3_000_000)),
        framed(Message(type=Message.GET_PROVIDERS)),
        framed(Message(type=Message.GET_PROVIDERS, key=b"k", senderRecord=b"not a record")),
        framed(Message(type=Message.ADD_PROVIDER, key=b"k" * 200, providerPeers=[peer])),
        # In the name of another, and with an id that takes hours to write down.
        framed(Message(type=Message.ADD_PROVIDER, key=b"k", providerPeers=[peer])),
        framed(Message(type=Message.ADD_PROVIDER, key=b"k", providerPeers=[Message.Peer(id=b"i" * 1_000_000)])),
        framed(Message(type=Message.PUT_VALUE, key=b"/pk/x")),
        framed(Message(type=Message.GET_VALUE, key=b"/pk/x")),
    ]


async def send_bad_requests(victim: PeerRecord) -> PeerId:
    """Ask ``victim`` all that no honest peer asks, and hear its answers to the end; whose requests they were."""
    transport, peer = new_transport()
    async with transport:
        connection = await transport.dial(victim)
        for request in bad_requests():
            stream = await connection.open_stream(KAD)
            try:
                await stream.send(request)
                await stream.send_eof()
                while await stream.receive():
                    pass
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
    return peer
