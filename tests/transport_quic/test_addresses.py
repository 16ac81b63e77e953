"""Multiaddresses: what is carried, what is refused, and what stands behind a wildcard."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm.errors import InvalidInput
from plasm.model import PeerId
from plasm_transport_quic.addresses import Carrier, Endpoint, at_interfaces, of_socket, parse, with_peer

PEER = PeerId(bytes(range(32)))
HOSTS = st.one_of(
    st.ip_addresses(v=4).map(lambda address: ("ip4", str(address))),
    st.ip_addresses(v=6).map(lambda address: ("ip6", str(address))),
    st.sampled_from([("dns", "node.example"), ("dns4", "a-b.c"), ("dns6", "localhost")]),
)


@given(st.sampled_from(Carrier), HOSTS, st.integers(0, 65535), st.booleans())
def test_what_is_written_is_read_again(carrier: Carrier, host: tuple[str, str], port: int, named: bool) -> None:
    endpoint = Endpoint(carrier, *host, port)
    text = f"{endpoint}/p2p/{PEER}" if named else str(endpoint)
    assert parse(text) == (endpoint, PEER if named else None)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        endpoint, _ = parse(text)
    except InvalidInput:
        return
    assert str(endpoint) in text or endpoint.network == "ip6"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "127.0.0.1:4001",
        "/ip4/127.0.0.1",
        "/ip4/127.0.0.1/udp/4001",
        "/ip4/127.0.0.1/udp/4001/quic",
        "/ip4/127.0.0.1/tcp/4001/ws",
        "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW",
        "/ip4/127.0.0.1/tcp/4001/p2p-circuit",
        "/ip4/127.0.0.1/tcp/65536",
        "/ip4/127.0.0.1/tcp/-1",
        "/ip4/127.0.0.1/tcp/٣",
        "/ip4/127.0.0.256/tcp/1",
        "/ip4/::1/tcp/1",
        "/ip6/127.0.0.1/tcp/1",
        "/ip6/fe80::1%eth0/tcp/1",
        "/ip5/1/tcp/1",
        "/dns/two words/tcp/1",
        "/dns//tcp/1",
        "/unix/tmp/tcp/1",
    ],
)
def test_what_is_not_carried_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="cannot use the address"):
        parse(address)


def test_a_wildcard_stands_for_all_interfaces_of_its_kind() -> None:
    found = list(at_interfaces(Endpoint(Carrier.TCP, "ip4", "0.0.0.0", 4001)))
    assert Endpoint(Carrier.TCP, "ip4", "127.0.0.1", 4001) in found
    assert all(endpoint.network == "ip4" and not endpoint.is_wildcard for endpoint in found)
    for endpoint in at_interfaces(Endpoint(Carrier.QUIC, "ip6", "::", 4001)):
        assert not ipaddress.ip_address(endpoint.host).is_link_local, "nobody else knows which link it is"


def test_an_address_stands_for_itself() -> None:
    endpoint = Endpoint(Carrier.QUIC, "ip4", "192.0.2.1", 4001)
    assert list(at_interfaces(endpoint)) == [endpoint]
    assert with_peer([endpoint], PEER) == (f"/ip4/192.0.2.1/udp/4001/quic-v1/p2p/{PEER}",)


def test_what_a_socket_says_is_an_endpoint() -> None:
    assert str(of_socket(Carrier.TCP, ("127.0.0.1", 1))) == "/ip4/127.0.0.1/tcp/1"
    assert str(of_socket(Carrier.QUIC, ("fe80::1%eth0", 1, 0, 2))) == "/ip6/fe80::1/udp/1/quic-v1"
