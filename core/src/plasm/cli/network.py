"""The options that say which peers to find and how; what ``submit``, ``peers`` and ``start`` have in common."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from plasm.config import Config
from plasm.plugins import PluginHost

Peers = Annotated[
    list[str] | None,
    typer.Option("--peer", help="Ask this peer; may be repeated.", metavar="ADDR/p2p/PEER_ID"),
]
Discoveries = Annotated[
    list[str] | None,
    typer.Option("--discovery", help="Discovery plugin to use; may be repeated [mdns].", metavar="NAME"),
]
Bootstrap = Annotated[
    list[str] | None,
    typer.Option("--bootstrap", help="A peer to begin with; may be repeated.", metavar="ADDR/p2p/PEER_ID"),
]
TransportName = Annotated[str | None, typer.Option("--transport", help="Transport plugin to use.", metavar="NAME")]


def read_config(bootstrap: list[str] | None) -> Config:
    """The configuration, with these peers to begin with.

    Raises:
        InvalidInput: one of them is not the address of a peer.
    """
    return Config.from_environment(os.environ).with_bootstrap(bootstrap or ())


def choose_discoveries(config: Config, asked: Sequence[str] | None, *, otherwise: bool) -> tuple[str, ...]:
    """The discoveries that were asked for (``none`` asks for none); ``otherwise`` those of the configuration, or mdns,
    where it is installed."""
    if asked is None and otherwise:
        asked = config.discoveries
    if asked:
        return tuple(name for name in asked if name != "none")
    if not otherwise:
        return ()
    return PluginHost(config).default_discoveries()
