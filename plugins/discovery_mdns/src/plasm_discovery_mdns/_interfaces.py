"""Which network interfaces to speak at, in the words of zeroconf: IPv4 addresses, and indexes for IPv6."""

from __future__ import annotations

from collections.abc import Sequence

import ifaddr

from plasm.errors import AddressUnavailable


def addresses_at(names: Sequence[str]) -> list[str | int]:
    """All addresses of the interfaces with these names or addresses; of every interface where ``names`` is empty.

    Raises:
        AddressUnavailable: there is none, or no interface has such a name or address.
    """
    found: dict[str | int, None] = {}
    present = {name: adapter for adapter in ifaddr.get_adapters() for name in _names(adapter)}
    for name in names or present:
        if name not in present:
            raise AddressUnavailable(
                f"there is no network interface {name!r}", hint=f"there are: {', '.join(present) or 'none'}"
            )
        found.update(dict.fromkeys(_addresses(present[name], name)))
    if not found:
        raise AddressUnavailable("no network interface has an address", hint="connect to a network and try again")
    return list(found)


def _names(adapter: ifaddr.Adapter) -> list[str]:
    return [adapter.name, *(_text(ip) for ip in adapter.ips)]


def _addresses(adapter: ifaddr.Adapter, name: str) -> list[str | int]:
    """Those of ``adapter`` that ``name`` means: all, or the one that it is."""
    meant = [ip for ip in adapter.ips if name in (adapter.name, _text(ip))]
    # Multicast over IPv6 goes by the interface, whichever of its addresses is meant.
    return [adapter.index if ip.is_IPv6 and adapter.index is not None else _text(ip) for ip in meant]


def _text(ip: ifaddr.IP) -> str:
    return ip.ip if isinstance(ip.ip, str) else ip.ip[0]
