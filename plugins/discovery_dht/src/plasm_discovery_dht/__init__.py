"""Finds peers anywhere, and is found, by libp2p's Kademlia DHT over the transport's own connections.

https://github.com/libp2p/specs/blob/master/kad-dht/README.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plasm.errors import PluginError
from plasm.hookspecs import hookimpl

if TYPE_CHECKING:
    from plasm.config import Config
    from plasm.contracts import Discovery, Transport
    from plasm.model import PeerId

PLASM_HOOK_API = 1


@hookimpl
def plasm_discovery(config: Config, node: PeerId, transport: Transport) -> Discovery:
    """Discovery that begins with the peers of ``config.bootstrap`` and those that it remembers.

    Raises:
        PluginError: ``transport`` has no libp2p host.
        InvalidInput: an address of ``config.bootstrap`` that cannot be used.
    """
    if not hasattr(type(transport), "host"):
        raise PluginError("the DHT needs a transport over libp2p", hint="add --transport quic")
    from plasm_discovery_dht._discovery import DhtDiscovery

    return DhtDiscovery(node, transport, config.bootstrap, config.state_dir / "dht" / "peers.json")
