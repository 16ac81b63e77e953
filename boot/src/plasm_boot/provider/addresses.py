"""Where a provider listens and what is advertised of it: HOST:PORT, URLs, multiaddresses."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator
from typing import Final

import ifaddr
from attrs import frozen

from plasm.errors import AddressUnavailable, InvalidInput

_HTTP_PORT: Final = 80
_MAX_PORT: Final = 65535
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_URL: Final = re.compile(
    r"http://(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?/?", re.ASCII
)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@frozen
class HostPort:
    """An address and a TCP port; as the address, an empty one stands for all of this machine's."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """``HOST:PORT``, an IPv6 address in brackets; ``:PORT`` is at all addresses.

        Raises:
            InvalidInput: it is written otherwise.
        """
        host, separator, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not separator or not _PORT.fullmatch(port) or int(port) > _MAX_PORT:
            raise _not_an_endpoint(text)
        if (":" in host) != bracketed or (bracketed and not _is_ipv6(host[1:-1])):
            raise _not_an_endpoint(text)
        return cls(host[1:-1] if bracketed else host, int(port))

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        return f"http://{self}"

    @property
    def multiaddress(self) -> str:
        return f"/{'ip6' if ':' in self.host else 'ip4'}/{self.host}/tcp/{self.port}/http"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def reached_at(bound: Iterable[HostPort]) -> tuple[HostPort, ...]:
    """The endpoints at which others reach what listens at ``bound``: those of every interface for ``0.0.0.0``, ``::``.

    IPv4 link-local addresses are among them only where this machine has no better ones, loopback addresses only
    where nothing else is listened at.

    Raises:
        AddressUnavailable: the interfaces cannot be listed now.
    """
    found = dict.fromkeys(each for endpoint in bound for each in _concrete(endpoint))
    return tuple(each for each in found if not each.is_loopback) or tuple(found)


def announced(url: str) -> tuple[HostPort, ...]:
    """The endpoints that ``url`` stands for, whose host may be a name; it is looked up now, which blocks.

    Raises:
        InvalidInput: it is no URL like ``http://192.0.2.7:8380``, or the name is unknown.
    """
    match = _URL.fullmatch(url)
    port = int(match["port"] or _HTTP_PORT) if match else 0
    if match is None or not 0 < port <= _MAX_PORT:
        raise InvalidInput(
            f"{url[:200]!r} cannot be announced",
            hint="write it like http://192.0.2.7:8380: plain HTTP and no path, for what is served is signed",
        )
    host = match["ipv6"] or match["name"]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InvalidInput(
            f"{url[:200]!r} cannot be announced: nobody knows that name", hint="announce an IP address"
        ) from None
    return tuple(dict.fromkeys(HostPort(str(name[0]).partition("%")[0], port) for *_, name in found))


def _concrete(endpoint: HostPort) -> Iterator[HostPort]:
    bound = ipaddress.ip_address(endpoint.host)
    if not bound.is_unspecified:
        yield endpoint
        return
    addresses = [address for address in _of_interfaces() if address.version == bound.version]
    farthest = max(map(_reach, addresses), default=0)
    yield from (HostPort(str(address), endpoint.port) for address in addresses if _reach(address) == farthest)


def _of_interfaces() -> Iterator[_Address]:
    """The addresses of all interfaces of which a multiaddress can say all there is to say."""
    try:
        adapters = ifaddr.get_adapters()
    except OSError as error:
        raise AddressUnavailable(
            f"this machine's addresses cannot be listed: {error.strerror}", hint="give a --listen with an address"
        ) from None
    for adapter in adapters:
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            # In IPv6, link-local addresses belong to an interface each, which is not said.
            if isinstance(address, ipaddress.IPv4Address) or not address.is_link_local:
                yield address


def _reach(address: _Address) -> int:
    """The more, the more may reach it: this machine, its link, others."""
    return 0 if address.is_loopback else 1 if address.is_link_local else 2


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text


def _not_an_endpoint(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text[:200]!r} is not HOST:PORT", hint="write it like 192.0.2.7:8380, [2001:db8::7]:8380 or, for all, :8380"
    )
