"""Multiaddresses of the two kinds that are carried, and the concrete ones that stand behind ``0.0.0.0`` and ``::``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

import ifaddr
from attrs import evolve, frozen

from plasm.errors import InvalidInput
from plasm.model import PeerId

_LARGEST_PORT = 65535
_NAMES = ("dns", "dns4", "dns6")
_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")


class Carrier(Enum):
    """How an address is reached."""

    QUIC = "quic"
    TCP = "tcp"


@frozen
class Endpoint:
    """A place in the network, like ``/ip4/192.0.2.1/udp/4001/quic-v1``."""

    carrier: Carrier
    network: str
    """``ip4``, ``ip6``, ``dns``, ``dns4`` or ``dns6``."""
    host: str
    port: int

    @property
    def is_name(self) -> bool:
        return self.network in _NAMES

    @property
    def is_wildcard(self) -> bool:
        return not self.is_name and ipaddress.ip_address(self.host).is_unspecified

    @property
    def is_loopback(self) -> bool:
        return not self.is_name and ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        way = f"udp/{self.port}/quic-v1" if self.carrier is Carrier.QUIC else f"tcp/{self.port}"
        return f"/{self.network}/{self.host}/{way}"


def parse(address: str) -> tuple[Endpoint, PeerId | None]:
    """The endpoint that a multiaddress names, and the peer at it if it names one.

    Raises:
        InvalidInput: it is no multiaddress, or of another kind.
    """
    match address.split("/"):
        case ["", network, host, "udp", port, "quic-v1", *rest]:
            carrier = Carrier.QUIC
        case ["", network, host, "tcp", port, *rest]:
            carrier = Carrier.TCP
        case _:
            raise _refused(address, "expected /ip4/…/udp/…/quic-v1 or /ip4/…/tcp/…, or the same with ip6 or dns")
    if not (port.isascii() and port.isdecimal() and int(port) <= _LARGEST_PORT):
        raise _refused(address, f"{port[:80]!r} is no port")
    match rest:
        case []:
            peer = None
        case ["p2p", peer_id]:
            try:
                peer = PeerId.parse(peer_id)
            except InvalidInput as error:
                raise _refused(address, error.message) from None
        case _:
            raise _refused(address, f"cannot reach what lies behind /{'/'.join(rest)[:80]}")
    return Endpoint(carrier, network, _host(address, network, host), int(port)), peer


def at_interfaces(endpoint: Endpoint) -> Iterator[Endpoint]:
    """``endpoint`` at each address of this machine that it stands for; itself where it names one."""
    if not endpoint.is_wildcard:
        yield endpoint
        return
    for host in _interface_addresses():
        if f"ip{host.version}" == endpoint.network:
            yield evolve(endpoint, host=str(host))


def of_socket(carrier: Carrier, name: tuple[Any, ...]) -> Endpoint:
    """The endpoint with the address that a socket gives; which link a link-local one is of is left out."""
    host = str(name[0]).partition("%")[0]
    return Endpoint(carrier, "ip6" if ":" in host else "ip4", host, int(name[1]))


def with_peer(endpoints: Iterable[Endpoint], peer: PeerId) -> tuple[str, ...]:
    """Multiaddresses at which ``peer`` can be dialled."""
    return tuple(f"{endpoint}/p2p/{peer}" for endpoint in endpoints)


def _host(address: str, network: str, host: str) -> str:
    if network in _NAMES:
        if not _HOST_NAME.fullmatch(host):
            raise _refused(address, f"{host[:80]!r} is no host name")
        return host
    try:
        parsed = ipaddress.IPv4Address(host) if network == "ip4" else ipaddress.IPv6Address(host)
    except ValueError:
        raise _refused(address, f"{host[:80]!r} is no {network} address") from None
    if network not in ("ip4", "ip6") or "%" in host:
        raise _refused(address, f"cannot reach /{network[:80]}")
    return str(parsed)


def _interface_addresses() -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for adapter in ifaddr.get_adapters():
        for found in adapter.ips:
            address = ipaddress.ip_address(found.ip if isinstance(found.ip, str) else found.ip[0])
            # A link-local address means something else on each link; a multiaddress cannot say which.
            if not address.is_link_local:
                yield address


def _refused(address: str, reason: str) -> InvalidInput:
    return InvalidInput(f"cannot use the address {address[:200]!r}: {reason}")
