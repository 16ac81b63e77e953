"""Finds peers anywhere, and is found, by libp2p's Kademlia DHT over the transport's own connections.

https://github.com/libp2p/specs/blob/master/kad-dht/README.md
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from plasm.hookspecs import hookimpl

if TYPE_CHECKING:
    from plasm.config import Config
    from plasm.contracts import Discovery, Transport
    from plasm.model import PeerId

PLASM_HOOK_API = 1
PLASM_NEEDS_BOOTSTRAP = True


@hookimpl
def plasm_discovery(config: Config, node: PeerId, transport: Transport) -> Discovery:
    """Discovery that begins with the peers of ``config.bootstrap`` and those that it remembers.

    ``PLASM_DHT_ANNOUNCE`` has addresses to announce besides the transport's, and ``PLASM_DHT_UPNP=1`` has the router
    open ports.

    Raises:
        InvalidInput: an address that cannot be used.
    """
    from plasm_discovery_dht._addresses import bootstrap_peers, parsed
    from plasm_discovery_dht._discovery import DhtDiscovery
    from plasm_discovery_dht._membership import DhtSettings

    settings = DhtSettings(
        memory=config.state_dir / "dht" / "peers.json",
        bootstrap=bootstrap_peers(config.bootstrap),
        announce=[parsed(address) for address in os.environ.get("PLASM_DHT_ANNOUNCE", "").replace(",", " ").split()],
        opens_ports=os.environ.get("PLASM_DHT_UPNP", "") not in ("", "0"),
    )
    return DhtDiscovery(node, transport, settings)
