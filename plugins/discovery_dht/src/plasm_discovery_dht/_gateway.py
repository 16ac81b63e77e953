"""A port of the router for each port of ours, by UPnP, so that a node at home can be dialled from outside."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from libp2p.discovery.upnp.upnp import UpnpManager
from multiaddr import Multiaddr

_log = logging.getLogger(__name__)


class Gateway:
    """The router, if it is one that opens ports when it is asked to."""

    def __init__(self) -> None:
        self._router = UpnpManager()
        self._found = False
        self._opened: set[tuple[int, str]] = set()

    async def open(self, addresses: Iterable[Multiaddr]) -> Sequence[Multiaddr]:
        """Open, or keep open, the ports of ``addresses``; where each of them is then found from outside."""
        self._found = self._found or await self._router.discover()
        outside = self._router.get_external_ip()
        if not self._found or outside is None:
            _log.info("no router here opens ports by UPnP")
            return []
        found: dict[Multiaddr, None] = {}
        for address in addresses:
            match str(address).split("/"):
                case ["", "ip4", _, "tcp" | "udp" as kind, port, *rest]:
                    if await self._opens(int(port), kind.upper()):
                        found[Multiaddr("/".join(["", "ip4", outside, kind, port, *rest]))] = None
        return list(found)

    async def close(self) -> None:
        """Close what was opened."""
        for port, kind in sorted(self._opened):
            await self._router.remove_port_mapping(port, kind)
        self._opened.clear()

    async def _opens(self, port: int, kind: str) -> bool:
        if await self._router.add_port_mapping(port, kind):
            self._opened.add((port, kind))
            return True
        _log.info("the router does not open %s port %d", kind, port)
        return False
