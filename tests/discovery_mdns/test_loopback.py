"""Packets on the loopback interface: what a node says, and what it makes of what it hears."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import anyio
import pytest
from anyio import to_thread

from plasm.contracts import PeerRecord
from plasm.errors import AddressUnavailable, PluginError
from plasm.model import PeerId
from plasm.plugins import PluginHost

pytest.importorskip("plasm_discovery_mdns")

from discovery_mdns import packets
from zeroconf import DNSIncoming, DNSPointer, DNSText, RecordUpdate  # type: ignore[attr-defined]

from plasm_discovery_mdns._discovery import MAX_CANDIDATES, MdnsDiscovery
from plasm_discovery_mdns._neighbours import MAX_NAMES, Neighbours
from plasm_discovery_mdns._responder import _Listener
from plasm_discovery_mdns._service import PEERS

LOOPBACK = ["127.0.0.1"]


def new_record(*addresses: str) -> PeerRecord:
    peer = PeerId(os.urandom(32))
    return PeerRecord(peer, [f"{address}/p2p/{peer}" for address in addresses or ("/ip4/127.0.0.1/tcp/4001",)])


def in_trio(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with anyio.fail_after(30):
            await test()

    anyio.run(bounded, backend="trio")


def text_of(record: PeerRecord) -> bytes:
    return packets.strings(*(f"dnsaddr={address}" for address in record.addresses))


async def found(discovery: MdnsDiscovery, *wanted: PeerRecord) -> Sequence[PeerRecord]:
    """What a search finds until all of ``wanted`` are among it."""
    search = discovery.find(None)
    seen: list[PeerRecord] = []
    async for record in search:
        seen.append(record)
        if set(wanted) <= set(seen):
            break
    await search.aclose()  # type: ignore[attr-defined]
    return seen


def known(discovery: MdnsDiscovery) -> set[PeerId]:
    return {record.peer for record in discovery._heard[PEERS].records()}


async def until(discovery: MdnsDiscovery, condition: Callable[[], bool]) -> None:
    while True:
        changed = discovery._changed
        if condition():
            return
        await changed.wait()


def heard(ear: socket.socket, peer: PeerId) -> DNSIncoming:
    """The next response that speaks of ``peer``."""
    while True:
        message = DNSIncoming(ear.recv(9000))
        if any(isinstance(each, DNSText) and str(peer).encode() in each.text for each in message.answers()):
            return message


def test_a_node_says_what_the_specification_says() -> None:
    record = new_record("/ip4/127.0.0.1/udp/4001/quic-v1", "/ip6/2001:db8::1/tcp/4001")

    async def speak() -> tuple[DNSIncoming, DNSIncoming]:
        with packets.listener() as ear:
            async with MdnsDiscovery(record.peer, LOOPBACK) as discovery:
                await discovery.advertise(record, ["/plasm/capability/x86_64/wasmtime"])
                said = await to_thread.run_sync(heard, ear, record.peer)
            while (bye := await to_thread.run_sync(heard, ear, record.peer)).answers()[0].ttl:
                pass
            return said, bye

    said, bye = anyio.run(speak, backend="trio")
    assert said.is_response()
    (pointer,) = (each for each in said.answers() if isinstance(each, DNSPointer))
    name, _, service = pointer.alias.partition(".")
    assert (pointer.name, service) == ("_p2p._udp.local.", "_p2p._udp.local.")
    assert 32 <= len(name) <= 63
    assert str(record.peer) not in name
    (text,) = (each for each in said.answers() if isinstance(each, DNSText))
    assert text.name == pointer.alias
    assert text.text == text_of(record)
    assert all(each.ttl == 0 for each in bye.answers())


def test_two_nodes_have_two_names() -> None:
    first, second = new_record(), new_record()

    async def names() -> None:
        async with MdnsDiscovery(first.peer, LOOPBACK) as one, MdnsDiscovery(second.peer, LOOPBACK) as other:
            await one.advertise(first, [])
            await other.advertise(second, [])
            assert {first, second} <= {*await found(one, second), *await found(other, first)}

    in_trio(names)


def test_js_libp2p_is_found() -> None:
    """It sends a TXT record for each address, no SRV record, and no cache-flush bit."""
    record = new_record("/ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/udp/4001/quic-v1")

    async def hear() -> None:
        async with MdnsDiscovery(PeerId(bytes(32)), LOOPBACK) as discovery:
            texts = [packets.strings(f"dnsaddr={address}") for address in record.addresses]
            packets.send(*packets.answer("j" * 63, *texts))
            assert record in await found(discovery, record)

    in_trio(hear)


def test_a_good_bye_is_heard_of_the_whole_name_and_of_a_record() -> None:
    first, second = new_record(), new_record()

    async def hear() -> None:
        async with MdnsDiscovery(PeerId(bytes(32)), LOOPBACK) as discovery:
            packets.send(*packets.answer("g" * 40, text_of(first)), *packets.answer("h" * 40, text_of(second)))
            await found(discovery, first, second)
            packets.send(*packets.answer("g" * 40, ttl=0), *packets.answer("h" * 40, text_of(second), ttl=0))
            await until(discovery, lambda: not {first.peer, second.peer} & known(discovery))

    in_trio(hear)


def test_a_new_record_of_a_name_takes_the_place_of_the_old_one() -> None:
    old = new_record("/ip4/127.0.0.1/tcp/1")
    new = PeerRecord(old.peer, [f"/ip4/127.0.0.1/tcp/2/p2p/{old.peer}"])

    async def hear() -> None:
        async with MdnsDiscovery(PeerId(bytes(32)), LOOPBACK) as discovery:
            packets.send(*packets.answer("r" * 40, text_of(old), flush=True))
            await found(discovery, old)
            packets.send(*packets.answer("r" * 40, text_of(new), flush=True))
            await until(discovery, lambda: new in discovery._heard[PEERS].records())
            assert old not in discovery._heard[PEERS].records()

    in_trio(hear)


def test_a_stranger_cannot_make_a_node_find_itself() -> None:
    record = new_record()

    async def hear() -> None:
        async with MdnsDiscovery(record.peer, LOOPBACK) as discovery:
            marker = new_record()
            packets.send(*packets.answer("s" * 40, text_of(record)), *packets.answer("t" * 40, text_of(marker)))
            assert record.peer not in {each.peer for each in await found(discovery, marker)}

    in_trio(hear)


def test_a_flood_of_names_stays_within_bounds() -> None:
    # Not over the network: it would wash away what other tests say there.
    neighbours, woken = Neighbours(time.monotonic), []
    listener = _Listener(PEERS, PeerId(bytes(32)), neighbours, lambda: woken.append(True))
    for _ in range(2 * MAX_NAMES):
        record = new_record()
        (packet,) = packets.answer(os.urandom(20).hex(), text_of(record))
        updates = [RecordUpdate(each, None) for each in DNSIncoming(packet).answers()]
        listener.async_update_records(None, 0.0, updates)  # type: ignore[arg-type]
    assert len(neighbours.records()) == MAX_NAMES
    assert record in neighbours.records()
    assert len(woken) == 2 * MAX_NAMES


def test_a_search_ends_after_so_many() -> None:
    async def search() -> None:
        async with MdnsDiscovery(PeerId(bytes(32)), LOOPBACK) as discovery:

            def hear_sixteen_more() -> None:
                for _ in range(16):
                    discovery._heard[PEERS].hear(os.urandom(20).hex(), [new_record()], 120, all_of_them=True)
                discovery._wake()

            hear_sixteen_more()
            count = 0
            async for _ in discovery.find(None):
                count += 1
                if count % 16 == 0:
                    hear_sixteen_more()
            assert count == MAX_CANDIDATES

    in_trio(search)


def test_an_address_that_nobody_can_dial_is_not_said() -> None:
    record = new_record("/ip4/127.0.0.1/tcp/4001")
    nowhere = PeerRecord(record.peer, [f"/ip4/0.0.0.0/tcp/4001/p2p/{record.peer}"])

    async def hear() -> None:
        async with (
            MdnsDiscovery(record.peer, LOOPBACK) as speaker,
            MdnsDiscovery(PeerId(bytes(32)), LOOPBACK) as listener,
        ):
            await speaker.advertise(nowhere, [])
            await speaker.advertise(record, [])
            await found(listener, record)
            await speaker.advertise(nowhere, [])
            await until(listener, lambda: record.peer not in known(listener))

    in_trio(hear)


def test_a_search_ends_with_the_discovery() -> None:
    async def search() -> None:
        discovery = MdnsDiscovery(PeerId(bytes(32)), LOOPBACK)
        async with anyio.create_task_group() as tasks, discovery:
            tasks.start_soon(_exhaust, discovery.find(None))
            await anyio.lowlevel.checkpoint()

    in_trio(search)


async def _exhaust(search: AsyncIterator[PeerRecord]) -> None:
    async for _ in search:
        pass


def test_an_interface_that_is_not_there_is_named() -> None:
    before = set(threading.enumerate())

    async def enter() -> None:
        async with MdnsDiscovery(PeerId(bytes(32)), ["nosuch0"]):
            pytest.fail("there is no such interface")

    with pytest.raises(AddressUnavailable, match="nosuch0") as raised:
        anyio.run(enter, backend="trio")
    assert "lo" in raised.value.hint
    assert not {thread for thread in threading.enumerate() if "zeroconf" in thread.name} - before


def test_advertising_needs_the_block() -> None:
    async def advertise() -> None:
        await MdnsDiscovery(PeerId(bytes(32)), LOOPBACK).advertise(new_record(), [])

    with pytest.raises(PluginError, match="not running"):
        anyio.run(advertise, backend="trio")


def test_the_environment_names_the_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLASM_MDNS_INTERFACES", "lo, 127.0.0.1")
    host = PluginHost.from_environment()
    discovery = host.discovery("mdns", PeerId(bytes(32)), None)  # type: ignore[arg-type]
    assert isinstance(discovery, MdnsDiscovery)
    assert discovery._interfaces == ("lo", "127.0.0.1")
