"""Finding providers: the URLs that a discovery's candidates give, none of which is believed or even asked here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from plasm.contracts import Discovery
from plasm_boot.manifest import discovery_key

MAX_PROVIDERS: Final = 64
MAX_PER_PEER: Final = 8

_HTTP: Final = re.compile(
    r"/(?P<network>ip[46])/(?P<host>[0-9A-Fa-f:.]{2,45})/tcp/(?P<port>[1-9][0-9]{0,4})/http(?:/p2p/[1-9A-Za-z]{1,128})?",
    re.ASCII,
)
_MAX_PORT: Final = 65535
_MAX_ADDRESS: Final = 256
_BROADCAST: Final = ipaddress.ip_address("255.255.255.255")


async def providers(discovery: Discovery, channel: str, arch: str) -> AsyncIterator[str]:
    """The base URLs of those who say that they have ``channel`` for ``arch``, each once, as they are found.

    No more than :data:`MAX_PER_PEER` of one candidate and :data:`MAX_PROVIDERS` in all; goes on as long as the
    discovery's search does.
    """
    seen: set[str] = set()
    # What is left half-way is ended here: a generator of trio's must not be left to the collector of garbage.
    candidates = discovery.find(discovery_key(channel, arch))
    try:
        async for candidate in candidates:
            urls = dict.fromkeys(url for url in map(_url, candidate.addresses) if url and url not in seen)
            for url in list(urls)[:MAX_PER_PEER]:
                seen.add(url)
                yield url
                if len(seen) == MAX_PROVIDERS:
                    return
    finally:
        if isinstance(candidates, AsyncGenerator):
            await candidates.aclose()


def _url(address: str) -> str | None:
    """The URL of an HTTP multiaddress; ``None`` for one of another kind, or at which nobody can be asked.

    Private addresses count, for a provider may be on the local network, and loopback ones, for it may be this machine.
    """
    match = _HTTP.fullmatch(address) if len(address) <= _MAX_ADDRESS else None
    if match is None or int(match["port"]) > _MAX_PORT:
        return None
    try:
        host = ipaddress.ip_address(match["host"])
    except ValueError:
        return None
    # A link-local IPv6 address means nothing without the interface, and only the provider knows its own.
    is_ipv6 = isinstance(host, ipaddress.IPv6Address)
    if host.is_unspecified or host.is_multicast or host == _BROADCAST or (is_ipv6 and host.is_link_local):
        return None
    if match["network"] != f"ip{host.version}":
        return None
    return f"http://[{host}]:{match['port']}" if is_ipv6 else f"http://{host}:{match['port']}"
