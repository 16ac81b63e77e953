"""Measures the time to the first candidate against what each discovery is built on, both ends in one process.

python bench/discovery.py

Each search begins with nothing known and is measured from there until its first candidate, with addresses, is in hand;
what it takes to end is not counted.
"""

from __future__ import annotations

import itertools
import logging
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from queue import SimpleQueue
from unittest.mock import patch

import anyio
from anyio import to_thread
from libp2p import new_host
from libp2p.abc import IHost
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.network import swarm
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr
from run import Measurement
from zeroconf import DNSQuestionType, ServiceBrowser, ServiceInfo, Zeroconf

from plasm.contracts import ByteStream, Connection, Discovery, PeerRecord
from plasm.mesh.capability import capability_key
from plasm.model import PeerId
from plasm_discovery_dht._addresses import bootstrap_peers, key_of
from plasm_discovery_dht._discovery import DhtDiscovery
from plasm_discovery_dht._membership import DhtSettings
from plasm_discovery_mdns._discovery import MdnsDiscovery
from plasm_signing_ed25519._signer import Ed25519Signer
from plasm_transport_quic.transport import Libp2pTransport

Search = Callable[[], AbstractAsyncContextManager[None]]
"""Found its first candidate when it is entered."""

ROUNDS = 15
CAPABILITY = capability_key("x86_64", "wasmtime")

INTERFACE = "127.0.0.1"
BARE_SERVICE = "_bench._udp.local."
# RFC 6762, section 6: nobody answers the same within a second, and that is not what is measured.
QUIET_S = 1.2

SERVERS = 3
LISTEN = "/ip4/127.0.0.1/tcp/0"


async def first_candidates(searches: Mapping[str, Search], pause: float = 0) -> dict[str, float]:
    """The median time of each search in seconds, all of them taken in turn, ``pause`` seconds between the rounds."""
    times: dict[str, list[float]] = {name: [] for name in searches}
    for round_ in range(ROUNDS + 1):
        await anyio.sleep(pause)
        for name, search in searches.items():
            start = time.perf_counter()
            async with search():
                if round_:  # the first one warms up
                    times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


async def find(discovery: Discovery, peer: PeerId) -> None:
    """Search until ``peer`` is found, anew where a search ends without; only other nodes of this machine come first."""
    while True:
        async for record in discovery.find(CAPABILITY):
            if record.peer == peer:
                return
        await anyio.lowlevel.checkpoint()


# ---- Multicast DNS ----


@asynccontextmanager
async def bare_neighbour() -> AsyncIterator[Search]:
    """A service that zeroconf announces; what looks for it is another zeroconf."""
    name = secrets.token_hex(8)
    service = ServiceInfo(
        BARE_SERVICE, f"{name}.{BARE_SERVICE}", 4001, server=f"{name}.local.", parsed_addresses=[INTERFACE]
    )

    def look() -> Zeroconf:
        heard: SimpleQueue[str] = SimpleQueue()
        zeroconf = Zeroconf([INTERFACE])
        # As the plugin asks: an answer to one alone would reach any of the sockets that share the port.
        ServiceBrowser(zeroconf, BARE_SERVICE, [lambda name, **_: heard.put(name)], question_type=DNSQuestionType.QM)
        assert zeroconf.get_service_info(BARE_SERVICE, heard.get())
        return zeroconf

    @asynccontextmanager
    async def search() -> AsyncIterator[None]:
        zeroconf = await to_thread.run_sync(look)
        try:
            yield
        finally:
            await to_thread.run_sync(zeroconf.close)

    zeroconf = await to_thread.run_sync(Zeroconf, [INTERFACE])
    try:
        await to_thread.run_sync(zeroconf.register_service, service)
        yield search
    finally:
        await to_thread.run_sync(zeroconf.close)


@asynccontextmanager
async def our_neighbour() -> AsyncIterator[Search]:
    """A node that is advertised by multicast DNS."""
    peer = PeerId(os.urandom(32))

    @asynccontextmanager
    async def search() -> AsyncIterator[None]:
        async with MdnsDiscovery(PeerId(os.urandom(32)), [INTERFACE]) as discovery:
            await find(discovery, peer)
            yield

    async with MdnsDiscovery(peer, [INTERFACE]) as advertised:
        await advertised.advertise(PeerRecord(peer, [f"/ip4/{INTERFACE}/tcp/4001/p2p/{peer}"]), [CAPABILITY])
        yield search


async def mdns() -> list[Measurement]:
    """Two on one interface."""
    async with bare_neighbour() as bare, our_neighbour() as ours:
        taken = await first_candidates({"bare": bare, "ours": ours}, pause=QUIET_S)
    return [Measurement("first candidate by multicast DNS", "bare zeroconf", taken["bare"], taken["ours"])]


# ---- The DHT ----


@asynccontextmanager
async def bare_host(*listen: str) -> AsyncIterator[IHost]:
    """A running libp2p host as it comes."""
    addresses = [Multiaddr(address) for address in listen]
    host = new_host(key_pair=create_new_key_pair(), listen_addrs=addresses)
    async with host.run(addresses):
        yield host


@asynccontextmanager
async def bare_member(host: IHost, mode: DHTMode, bootstrap: PeerInfo | None) -> AsyncIterator[KadDHT]:
    """``host`` as a member of libp2p's DHT that has joined at ``bootstrap``, unless it is the first."""
    dht = KadDHT(host, mode)
    async with background_trio_service(dht):
        if bootstrap:
            await host.connect(bootstrap)
            assert await dht.add_peer(bootstrap.peer_id)
        yield dht


@asynccontextmanager
async def bare_dht() -> AsyncIterator[Search]:
    """Servers of libp2p's DHT, of which the last one provides; what searches is a client that begins with the first."""
    key = key_of(CAPABILITY).hex()
    async with AsyncExitStack() as stack:
        first: PeerInfo | None = None
        for _ in range(SERVERS):
            host = await stack.enter_async_context(bare_host(LISTEN))
            last = await stack.enter_async_context(bare_member(host, DHTMode.SERVER, first))
            first = first or info_from_p2p_addr(host.get_addrs()[0])
        assert await last.provide(key)

        @asynccontextmanager
        async def search() -> AsyncIterator[None]:
            async with bare_host() as host, bare_member(host, DHTMode.CLIENT, first) as dht:
                found = await dht.find_providers(key, 1)
                assert [info.peer_id for info in found] == [last.local_peer_id], found
                yield

        yield search


def undelayed(search: Search) -> Search:
    """The same while libp2p takes a connection when it is there, rather than waits 250 ms for it to fail."""

    @asynccontextmanager
    async def searched() -> AsyncIterator[None]:
        with patch.object(swarm, "_HAPPY_EYEBALLS_DELAY", 0):
            async with search():
                yield

    return searched


async def nothing(connection: Connection, protocol: str, stream: ByteStream) -> None:
    """Speaks a protocol so that the transport has something to listen for."""


@asynccontextmanager
async def our_member(
    memory: Path, bootstrap: Sequence[str], *listen: str
) -> AsyncIterator[tuple[Discovery, PeerRecord]]:
    """A node that takes part in the DHT, begins with ``bootstrap`` and leaves whom it knew in ``memory``."""
    signer = Ed25519Signer(os.urandom(32))
    peer = PeerId(signer.public_key)
    async with Libp2pTransport(signer) as transport:
        addresses = await transport.listen(listen, nothing, ["/bench/nothing/1"]) if listen else ()
        async with DhtDiscovery(peer, transport, DhtSettings(memory, bootstrap_peers(bootstrap))) as discovery:
            yield discovery, PeerRecord(peer, addresses)


@asynccontextmanager
async def our_dht(folder: Path) -> AsyncIterator[Search]:
    """As many nodes, of which the last one advertises; what searches is a node that does not listen."""
    memories = (folder / f"{number}.json" for number in itertools.count())
    async with AsyncExitStack() as stack:
        first: Sequence[str] = ()
        for _ in range(SERVERS):
            last, record = await stack.enter_async_context(our_member(next(memories), first, LISTEN))
            first = first or record.addresses
        await last.advertise(record, [CAPABILITY])

        @asynccontextmanager
        async def search() -> AsyncIterator[None]:
            async with our_member(next(memories), first) as (discovery, _):
                await find(discovery, record.peer)
                yield

        # What is advertised goes out in the background.
        async with search():
            yield search


async def dht() -> list[Measurement]:
    """A client of as many servers."""
    with tempfile.TemporaryDirectory(prefix="plasm-bench-") as folder:
        async with bare_dht() as bare, our_dht(Path(folder)) as ours:
            taken = await first_candidates({"bare": bare, "undelayed": undelayed(bare), "ours": ours})
    name = "first candidate by the DHT"
    return [
        Measurement(name, "libp2p's host and DHT", taken["bare"], taken["ours"]),
        Measurement(name, "the same without its delay of dials", taken["undelayed"], taken["ours"]),
    ]


def main() -> None:
    """Print every measurement."""
    # libp2p has much to say about connections that end; saying it would be part of what is measured.
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(logging.NullHandler())
    for measure in (mdns, dht):
        for measurement in anyio.run(measure, backend="trio"):
            print(measurement, flush=True)


if __name__ == "__main__":
    main()
