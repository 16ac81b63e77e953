"""Which way a job goes to peers: through the node of this machine where one can take it, else directly."""

from __future__ import annotations

import os
from collections.abc import Sequence

from plasm.client.peers import PeerClient
from plasm.config import Config
from plasm.contracts import PeerRecord
from plasm.control.finding import node_serves_us
from plasm.plugins import PluginHost


def peer_client(
    config: Config | None = None,
    *,
    host: PluginHost | None = None,
    peers: Sequence[PeerRecord] = (),
    discoveries: Sequence[str] | None = None,
    transport: str | None = None,
    signer: str | None = None,
) -> PeerClient:
    """The client that reaches peers with the least effort.

    A node that runs here has connections, and nothing slow need be loaded to use it; but it finds peers in the ways of
    its own configuration.

    Args:
        config: the configuration; ``None`` reads that of this machine.
        host: the plugins, where this process has them already; their configuration is used.
        peers: these are asked, and where ``discoveries`` names none, no others.
        discoveries: names of the plugins that find peers; ``None`` leaves it to the client.
        transport: the name of a transport plugin; ``None`` leaves it to the client.
        signer: the name of the signing plugin whose key is this client's identity; ``None`` leaves it to the client.
    """
    host = host or PluginHost(config or Config.from_environment(os.environ))
    if discoveries is None and transport is None and signer is None and node_serves_us(host.config):
        from plasm.client.node import NodeClient

        return NodeClient(peers=peers)
    from plasm.client.mesh import MeshClient

    if discoveries is None:
        discoveries = host.choose_discoveries(None, otherwise=not peers)
    return MeshClient(host=host, peers=peers, discoveries=discoveries, transport=transport, signer=signer)
