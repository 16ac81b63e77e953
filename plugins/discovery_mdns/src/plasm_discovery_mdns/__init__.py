"""Finds peers on the local network, and is found there, by libp2p's records in multicast DNS; providers, too.

https://github.com/libp2p/specs/blob/master/discovery/mdns.md
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from plasm.hookspecs import hookimpl

if TYPE_CHECKING:
    from plasm.contracts import BootMode, Discovery, RootfsNeeds
    from plasm.model import PeerId

PLASM_HOOK_API = 1
PLASM_PREFERENCE = 100


@hookimpl
def plasm_discovery(node: PeerId) -> Discovery:
    """Discovery at the interfaces that ``PLASM_MDNS_INTERFACES`` names, at all where it names none."""
    from plasm_discovery_mdns._discovery import MdnsDiscovery

    return MdnsDiscovery(node, os.environ.get("PLASM_MDNS_INTERFACES", "").replace(",", " ").split())


@hookimpl
def plasm_compose_rootfs(mode: BootMode) -> RootfsNeeds:
    """Multicast DNS's port, at which everybody on the local network speaks to everybody."""
    from plasm.contracts import RootfsNeeds

    return RootfsNeeds(ports=("udp/5353",))
