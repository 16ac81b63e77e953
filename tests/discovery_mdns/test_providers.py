"""Providers in multicast DNS: a service of their own, seen by other programs, and found by what they have."""

from __future__ import annotations

import os
import socket

import anyio
import pytest
from anyio import to_thread
from hypothesis import given
from hypothesis import strategies as st

from plasm.contracts import PeerRecord
from plasm.model import PeerId

pytest.importorskip("plasm_discovery_mdns")

from discovery_mdns import packets
from discovery_mdns.test_loopback import LOOPBACK, heard, in_trio, until
from zeroconf import DNSAddress, DNSIncoming, DNSPointer, DNSService, DNSText  # type: ignore[attr-defined]

from plasm_discovery_mdns import _systems
from plasm_discovery_mdns._discovery import MdnsDiscovery
from plasm_discovery_mdns._service import PEERS, PROVIDERS

pytestmark = pytest.mark.once

SERVICE = "_phase-boot._tcp.local."
STABLE, TESTING = "/phase/stable/x86_64/manifest", "/phase/testing/aarch64/manifest"


def new_provider(port: int = 8380) -> PeerRecord:
    peer = PeerId(os.urandom(32))
    return PeerRecord(peer, [f"/ip4/127.0.0.1/tcp/{port}/http/p2p/{peer}"])


def text_of(record: PeerRecord, *more: str) -> bytes:
    return packets.strings(*(f"dnsaddr={address}" for address in record.addresses), *more)


async def finds(discovery: MdnsDiscovery, capability: str | None, wanted: PeerRecord) -> list[PeerRecord]:
    """What a search finds until ``wanted`` is among it."""
    search = discovery.find(capability)
    seen: list[PeerRecord] = []
    async for record in search:
        seen.append(record)
        if record == wanted:
            break
    await search.aclose()  # type: ignore[attr-defined]
    return seen


def test_any_program_sees_host_and_port_and_what_there_is() -> None:
    record = new_provider()
    with_peer = PeerRecord(record.peer, [*record.addresses, f"/ip4/127.0.0.1/udp/4001/quic-v1/p2p/{record.peer}"])

    async def speak() -> tuple[DNSIncoming, DNSIncoming]:
        with packets.listener() as ear:
            async with MdnsDiscovery(record.peer, LOOPBACK) as discovery:
                await discovery.advertise(with_peer, [STABLE, TESTING])
                said = await to_thread.run_sync(heard, ear, record.peer)
            while (bye := await to_thread.run_sync(heard, ear, record.peer)).answers()[0].ttl:
                pass
            return said, bye

    said, bye = anyio.run(speak, backend="trio")
    answers = said.answers()
    (pointer,) = (each for each in answers if isinstance(each, DNSPointer))
    assert (pointer.name, pointer.alias.partition(".")[2]) == (SERVICE, SERVICE)
    (text,) = (each for each in answers if isinstance(each, DNSText))
    assert text.text == text_of(record, "systems=stable/x86_64,testing/aarch64")
    (place,) = (each for each in answers if isinstance(each, DNSService))
    assert (place.name, place.port) == (pointer.alias, 8380)
    assert {each.address for each in answers if isinstance(each, DNSAddress)} == {socket.inet_aton("127.0.0.1")}
    assert all(each.ttl == 0 for each in bye.answers())


def test_a_provider_is_no_peer_and_a_peer_no_provider() -> None:
    provider, peer = new_provider(), new_provider(1)

    async def look() -> None:
        async with (
            MdnsDiscovery(provider.peer, LOOPBACK) as one,
            MdnsDiscovery(peer.peer, LOOPBACK) as other,
            MdnsDiscovery(PeerId(bytes(32)), LOOPBACK) as looks,
        ):
            await one.advertise(provider, [STABLE])
            await other.advertise(peer, ["/plasm/capability/x86_64/wasmtime"])
            assert peer not in await finds(looks, STABLE, provider)
            assert provider not in await finds(looks, None, peer)
            assert provider not in looks._heard[PEERS].records()
            assert peer not in looks._heard[PROVIDERS].records()

    in_trio(look)


def test_only_those_are_found_who_may_have_it() -> None:
    has, has_other, says_nothing = new_provider(1), new_provider(2), new_provider(3)

    async def look() -> None:
        async with MdnsDiscovery(PeerId(bytes(32)), LOOPBACK) as discovery:
            for record, more in (
                (has_other, ["systems=testing/aarch64,stable/aarch64"]),
                (has, ["txtvers=1", "systems=stable/x86_64"]),
                (says_nothing, []),
            ):
                name = os.urandom(20).hex()
                packets.send(*packets.answer(name, text_of(record, *more), service=SERVICE, flush=True))
            found = await finds(discovery, STABLE, says_nothing) + await finds(discovery, STABLE, has)
            assert has_other not in found
            await finds(discovery, TESTING, has_other)

    in_trio(look)


def test_what_is_published_later_is_said_and_what_is_gone_is_not() -> None:
    record = new_provider()

    async def look() -> None:
        async with (
            MdnsDiscovery(record.peer, LOOPBACK) as provider,
            MdnsDiscovery(PeerId(bytes(32)), LOOPBACK) as discovery,
        ):
            await provider.advertise(record, [STABLE])
            await finds(discovery, STABLE, record)
            await provider.advertise(record, [TESTING])
            await finds(discovery, TESTING, record)
            assert record not in discovery._heard[PROVIDERS].records("stable/x86_64")
            await provider.advertise(PeerRecord(record.peer), [])
            await until(discovery, lambda: record not in discovery._heard[PROVIDERS].records())

    in_trio(look)


def test_more_systems_than_a_string_takes_are_not_said() -> None:
    assert _systems.encode(f"channel{number}/x86_64" for number in range(100)) == b""
    assert _systems.encode([]) == b""


@given(st.binary(max_size=600))
def test_no_bytes_name_more_than_a_string_takes(data: bytes) -> None:
    systems = _systems.decode(b"\xffsystems=" + data)
    assert sum(map(len, systems)) <= 255


@given(st.sets(st.sampled_from(["stable/x86_64", "testing/aarch64", "a/b", "nightly/x86_64"])))
def test_systems_come_back_as_they_went(systems: set[str]) -> None:
    assert _systems.decode(packets.strings("x=y") + _systems.encode(systems)) == systems
