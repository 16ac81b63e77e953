"""The TXT record of libp2p's multicast DNS: what goes in, and how little comes out of a stranger's."""

from __future__ import annotations

import pytest
from discovery_mdns.packets import bad_addresses, strings
from hypothesis import given
from hypothesis import strategies as st

from plasm.contracts import PeerRecord
from plasm.model import PeerId

pytest.importorskip("plasm_discovery_mdns")

from plasm_discovery_mdns._txt import MAX_ADDRESSES, decode, encode

PEER = PeerId(bytes(range(32)))
QUIC = f"/ip4/192.0.2.7/udp/4001/quic-v1/p2p/{PEER}"
TCP = f"/ip6/2001:db8::7/tcp/4001/p2p/{PEER}"


def test_a_record_is_one_string_for_each_address() -> None:
    data = encode(PeerRecord(PEER, [QUIC, TCP]))
    assert data == b"\x60dnsaddr=" + QUIC.encode() + b"\x5adnsaddr=" + TCP.encode()
    assert decode(data) == PeerRecord(PEER, [QUIC, TCP])


def test_the_peer_id_is_added_where_it_is_missing() -> None:
    assert decode(encode(PeerRecord(PEER, [QUIC.removesuffix(f"/p2p/{PEER}")]))) == PeerRecord(PEER, [QUIC])


def test_addresses_with_more_in_them_are_taken() -> None:
    address = f"/ip4/192.0.2.7/udp/4001/quic-v1/webtransport/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K/p2p/{PEER}"
    assert decode(encode(PeerRecord(PEER, [address]))) == PeerRecord(PEER, [address])


@pytest.mark.parametrize("address", bad_addresses(str(PEER)))
def test_addresses_that_no_neighbour_can_dial_are_left_out(address: str) -> None:
    assert decode(strings(f"dnsaddr={address}"[:255].encode()[:255])) is None
    assert decode(strings(f"dnsaddr={address}"[:255].encode()[:255], f"dnsaddr={QUIC}")) == PeerRecord(PEER, [QUIC])


def test_the_first_address_decides_whose_record_it_is() -> None:
    other = PeerId(bytes(32))
    data = strings(f"dnsaddr={QUIC}", f"dnsaddr=/ip4/192.0.2.8/tcp/1/p2p/{other}", f"dnsaddr={TCP}")
    assert decode(data) == PeerRecord(PEER, [QUIC, TCP])


def test_there_are_only_so_many_addresses() -> None:
    record = PeerRecord(PEER, [f"/ip4/192.0.2.7/tcp/{port}/p2p/{PEER}" for port in range(1000)])
    assert decode(encode(record)) == PeerRecord(PEER, record.addresses[:MAX_ADDRESSES])
    everything = strings(*(f"dnsaddr={address}" for address in record.addresses))
    assert decode(everything) == PeerRecord(PEER, record.addresses[:MAX_ADDRESSES])


def test_the_same_address_counts_once() -> None:
    assert decode(strings(f"dnsaddr={QUIC}", f"dnsaddr={QUIC}")) == PeerRecord(PEER, [QUIC])


@given(st.one_of(st.binary(max_size=600), st.text(max_size=200).map(lambda text: b"\xf0dnsaddr=" + text.encode())))
def test_no_bytes_are_a_surprise(data: bytes) -> None:
    record = decode(data)
    assert record is None or len(record.addresses) <= MAX_ADDRESSES
