"""Addresses, keys and remembered peers: values that come from people, files and strangers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from plasm.contracts import PeerRecord
from plasm.errors import InvalidInput, PluginError
from plasm.model import PeerId
from plasm.plugins import PluginHost

pytest.importorskip("plasm_discovery_dht")
pytest.importorskip("plasm_transport_quic")

from cid import make_cid
from hypothesis import given
from hypothesis import strategies as st
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr

from plasm_discovery_dht._addresses import MAX_ADDRESSES, bootstrap_peers, from_bytes, key_of, record_of
from plasm_discovery_dht._discovery import DhtDiscovery
from plasm_discovery_dht._membership import DhtSettings
from plasm_discovery_dht._remembered import MAX_PEERS, load, save

PEER = PeerId(bytes(range(32)))
ADDRESS = f"/ip4/192.0.2.7/tcp/4001/p2p/{PEER}"
RECORD = PeerRecord(PEER, [ADDRESS])


def test_a_capability_is_where_its_cid_is() -> None:
    text = "/plasm/capability/x86_64/wasmtime"
    key = key_of(text)
    assert make_cid(1, "raw", key).multihash == key
    assert key.hex() == "1220" + hashlib.sha256(text.encode()).hexdigest()


def test_bootstrap_addresses_are_grouped_by_peer() -> None:
    other = f"/ip6/2001:db8::7/udp/4001/quic-v1/p2p/{PEER}"
    assert bootstrap_peers([ADDRESS, other]) == [PeerRecord(PEER, [ADDRESS, other])]


@pytest.mark.parametrize("address", ["", "192.0.2.7:4001", "/ip4/192.0.2.7/tcp/4001", f"/p2p/{PEER}", "/p2p/x"])
def test_a_bootstrap_address_that_leads_nowhere_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        bootstrap_peers([address])


def discovery_of_environment() -> DhtDiscovery:
    made = PluginHost.from_environment().discovery("dht", PEER, object())  # type: ignore[arg-type]
    assert isinstance(made, DhtDiscovery)
    return made


def test_a_transport_without_a_libp2p_host_will_not_do() -> None:
    async def enter() -> None:
        async with discovery_of_environment():
            pytest.fail("there is no host")

    with pytest.raises(PluginError) as raised:
        anyio.run(enter, backend="trio")
    assert "--transport quic" in raised.value.hint


def test_the_environment_says_where_the_node_is(monkeypatch: pytest.MonkeyPatch, plasm_home: Path) -> None:
    assert discovery_of_environment()._settings == DhtSettings(plasm_home / "state" / "dht" / "peers.json", [], [])
    monkeypatch.setenv("PLASM_BOOTSTRAP", ADDRESS)
    monkeypatch.setenv("PLASM_DHT_ANNOUNCE", "/ip4/192.0.2.7/tcp/1, /ip4/192.0.2.7/tcp/2")
    monkeypatch.setenv("PLASM_DHT_UPNP", "1")
    settings = discovery_of_environment()._settings
    assert settings.bootstrap == [RECORD]
    assert [str(address) for address in settings.announce] == ["/ip4/192.0.2.7/tcp/1", "/ip4/192.0.2.7/tcp/2"]
    assert settings.opens_ports


@pytest.mark.parametrize("name", ["PLASM_BOOTSTRAP", "PLASM_DHT_ANNOUNCE"])
def test_a_bad_address_in_the_environment_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "192.0.2.7:4001")
    with pytest.raises(InvalidInput, match=r"192\.0\.2\.7:4001"):
        discovery_of_environment()


def test_a_candidate_has_the_peer_at_the_end_of_each_address() -> None:
    info = PeerInfo(ID.from_string(str(PEER)), [Multiaddr("/ip4/192.0.2.7/tcp/4001"), Multiaddr(ADDRESS)])
    assert record_of(info) == RECORD


def test_a_peer_with_another_kind_of_key_or_nowhere_is_no_candidate() -> None:
    somewhere = [Multiaddr("/ip4/192.0.2.7/tcp/4001")]
    assert record_of(PeerInfo(ID.from_string("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"), somewhere)) is None
    assert record_of(PeerInfo(ID.from_string(str(PEER)), [])) is None


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_addresses_of_a_message_are_bounded_and_real(addresses: list[bytes]) -> None:
    found = from_bytes(addresses)
    assert len(found) <= MAX_ADDRESSES
    assert all(str(address).startswith("/") for address in found)


def test_peers_are_remembered(tmp_path: Path) -> None:
    save(tmp_path / "new" / "peers.json", [RECORD])
    assert load(tmp_path / "new" / "peers.json") == [RECORD]


def test_so_many_peers_are_remembered(tmp_path: Path) -> None:
    records = [PeerRecord(PeerId(number.to_bytes(32, "big")), ["/ip4/192.0.2.7/tcp/1"]) for number in range(1000)]
    save(tmp_path / "peers.json", records)
    assert load(tmp_path / "peers.json") == records[:MAX_PEERS]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"peers": []}',
        b'{"peers": {"x": []}}',
        b"[" * 100_000,
        b" " * 2**21,
    ],
)
def test_a_damaged_memory_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "peers.json").write_bytes(content)
    assert load(tmp_path / "peers.json") == []


@pytest.mark.parametrize("addresses", [None, "text", [1], ["not an address"], {}])
def test_a_damaged_entry_is_left_out(tmp_path: Path, addresses: Any) -> None:
    peers = {str(PeerId(bytes(32))): addresses, str(PEER): [ADDRESS]}
    (tmp_path / "peers.json").write_text(json.dumps({"peers": peers}))
    assert load(tmp_path / "peers.json") == [RECORD]


def test_a_memory_that_cannot_be_kept_or_read_is_no_error(tmp_path: Path) -> None:
    assert load(tmp_path / "none") == []
    (tmp_path / "file").write_text("")
    save(tmp_path / "file" / "peers.json", [RECORD])
    assert load(tmp_path) == []
