"""The strings of a TXT record in which a peer says where it is, each a multiaddress behind ``dnsaddr=``.  Pure.

Whatever comes from the network is measured here before it is kept.  Only addresses that a neighbour can dial count:
those that begin with an IP address, need no zone, pass through no relay, and end in the peer's own id.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from plasm.contracts import PeerRecord
from plasm.errors import InvalidInput
from plasm.model import PeerId

MAX_ADDRESSES = 16

_KEY = b"dnsaddr="
MAX_STRING = 255  # a string in a TXT record has one byte for its length (RFC 1035)
_MAX_PORT = 65535
_ADDRESS = re.compile(
    r"/ip[46]/(?P<ip>[0-9A-Fa-f:.]{2,45})/(?:udp|tcp)/(?P<port>[0-9]{1,5})(?P<more>(?:/[A-Za-z0-9._~=:-]{1,128})*)"
    r"/p2p/(?P<peer>[1-9A-Za-z]{1,128})",
    re.ASCII,
)


def encode(record: PeerRecord) -> bytes:
    """The strings for ``record``; empty where no neighbour could dial any of its addresses."""
    return packed(_KEY + address.encode() for address in neighbourly(record))


def decode(data: bytes) -> PeerRecord | None:
    """What a TXT record says; ``None`` where it has nothing for us.

    The first address decides whose record it is; those of other peers in it are passed over.
    """
    peer: PeerId | None = None
    addresses: dict[str, None] = {}
    for string in strings(data):
        if not string.startswith(_KEY) or not string.isascii():
            continue
        address = string[len(_KEY) :].decode()
        whose = _peer_at(address)
        if whose is None or (peer is not None and whose != peer):
            continue
        peer = whose
        addresses[address] = None
        if len(addresses) == MAX_ADDRESSES:
            break
    return PeerRecord(peer, addresses) if peer is not None else None


def neighbourly(record: PeerRecord) -> list[str]:
    """The addresses of ``record`` that go into a TXT record, each with the peer's id at its end."""
    ending = f"/p2p/{record.peer}"
    complete = [address if address.endswith(ending) else address + ending for address in record.addresses]
    fitting = [address for address in complete if _peer_at(address) == record.peer]
    return list(dict.fromkeys(fitting))[:MAX_ADDRESSES]


def ip_of(address: str) -> str:
    """The IP address with which ``address``, a neighbourly one, begins."""
    return address.split("/")[2]


def packed(strings: Iterable[bytes]) -> bytes:
    """The data of a TXT record with these ``strings``."""
    return b"".join(bytes([len(string)]) + string for string in strings)


def strings(data: bytes) -> Iterator[bytes]:
    """The strings of a TXT record; of one that was cut off, as much as there is."""
    while data:
        length = data[0]
        yield data[1 : 1 + length]
        data = data[1 + length :]


def _peer_at(address: str) -> PeerId | None:
    """Who is at ``address``; ``None`` where it is no multiaddress or none for neighbours."""
    match = _ADDRESS.fullmatch(address)
    if match is None or len(_KEY) + len(address) > MAX_STRING or int(match["port"]) > _MAX_PORT:
        return None
    if "p2p-circuit" in match["more"].split("/"):
        return None
    try:
        ip = ipaddress.ip_address(match["ip"])
        peer = PeerId.parse(match["peer"])
    except (ValueError, InvalidInput):
        return None
    # A link-local IPv6 address means nothing without the interface, and only the sender knows his own.
    undialable = ip.is_unspecified or ip.is_multicast or (ip.version == 6 and ip.is_link_local)  # noqa: PLR2004
    return None if undialable or address[3] != str(ip.version) else peer
