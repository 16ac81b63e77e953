"""Packets of multicast DNS as anybody on the network may send them, and a way to send them to this machine only."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence

from zeroconf import (  # type: ignore[attr-defined]
    DNSOutgoing,
    DNSPointer,
    DNSService,
    DNSText,
)

GROUP = ("224.0.0.251", 5353)
SERVICE = "_p2p._udp.local."

_RESPONSE = 0x8400
_PTR, _TXT, _SRV = 12, 16, 33
_IN, _FLUSH = 1, 0x8000


def strings(*items: bytes | str) -> bytes:
    """The data of a TXT record."""
    raw = [item.encode() if isinstance(item, str) else item for item in items]
    return b"".join(bytes([len(item)]) + item for item in raw)


def answer(name: str, *texts: bytes, ttl: int = 120, flush: bool = False, service: str = SERVICE) -> list[bytes]:
    """Packets that say that instance ``name`` is there, with a TXT record for each of ``texts``."""
    out = DNSOutgoing(_RESPONSE)
    out.add_answer_at_time(DNSPointer(service, _PTR, _IN, ttl, f"{name}.{service}"), 0)
    for text in texts:
        out.add_answer_at_time(DNSText(f"{name}.{service}", _TXT, _IN | (_FLUSH if flush else 0), ttl, text), 0)
    return list(map(bytes, out.packets()))


def garbage(peer: str) -> Iterable[bytes]:
    """What no honest peer sends; ``peer`` is an id that must not be found for it."""
    yield b""
    yield os.urandom(512)
    yield b"\0" * 12
    yield bytes.fromhex("000084000000000100000000") + b"\xc0\x0c" * 20  # a name that points at itself
    yield from answer("a" * 40, b"", b"\xff", b"\x0fdnsaddr=", b"\xffdnsaddr=/ip4/127.0.0.1/tcp/1")
    yield from answer("b" * 40, *(strings("dnsaddr=" + address) for address in bad_addresses(peer)))
    yield from answer("c" * 40, strings(b"dnsaddr=/ip4/127.0.0.1/tcp/1/p2p/\xff\xfe"), strings("x" * 255))
    yield from answer("d" * 40, strings(f"dnsaddr=/ip4/127.0.0.1/tcp/1/p2p/{peer}"), service="_ipp._tcp.local.")
    yield from answer("e" * 40)
    out = DNSOutgoing(_RESPONSE)
    out.add_answer_at_time(DNSService(SERVICE, _SRV, _IN, 120, 0, 0, 1, "f.local."), 0)
    yield from map(bytes, out.packets())


def bad_addresses(peer: str) -> Sequence[str]:
    """Strings that are no multiaddresses, or none at which a neighbour could dial ``peer``."""
    return (
        "",
        "/",
        f"/p2p/{peer}",
        f"/ip4/127.0.0.1/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/65536/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/-1/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/1/p2p/{peer}/",
        f"/ip4/127.0.0.1/tcp/1/p2p/{peer[:-1]}",
        f"/ip4/127.0.0.1/tcp/1/p2p/{peer}x",
        "/ip4/127.0.0.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        f"/ip4/127.0.0/tcp/1/p2p/{peer}",
        f"/ip4/256.0.0.1/tcp/1/p2p/{peer}",
        f"/ip4/0.0.0.0/tcp/1/p2p/{peer}",
        f"/ip4/224.0.0.251/udp/1/quic-v1/p2p/{peer}",
        f"/ip4/::1/tcp/1/p2p/{peer}",
        f"/ip6/127.0.0.1/tcp/1/p2p/{peer}",
        f"/ip6/fe80::1/tcp/1/p2p/{peer}",
        f"/ip6/fe80::1%eth0/tcp/1/p2p/{peer}",
        f"/ip6/::/tcp/1/p2p/{peer}",
        f"/dns4/example.com/tcp/1/p2p/{peer}",
        f"/ip4/127.0.0.1/sctp/1/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/1/p2p/{peer}/p2p-circuit/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/1/p2p-circuit/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/1/a b/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/1/\n/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/1/{'a' * 120}/p2p/{peer}/{'b' * 20}",
        f"/ip4/127.0.0.1/tcp/1/{'a' * 100}/{'a' * 100}/p2p/{peer}"[:247],
        f"/ip4/\u0661\u0662\u0667.0.0.1/tcp/1/p2p/{peer}",
        f"/ip4/127.0.0.1/tcp/\u0661/p2p/{peer}"[:247],
    )


def send(*packets: bytes) -> None:
    """Send ``packets`` to the responders of this machine, over its loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
        for packet in packets:
            sender.sendto(packet, GROUP)


def listener() -> socket.socket:
    """A socket that hears what is sent on the loopback interface."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    receiver.bind(("", GROUP[1]))
    membership = socket.inet_aton(GROUP[0]) + socket.inet_aton("127.0.0.1")
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    receiver.settimeout(20)
    return receiver
