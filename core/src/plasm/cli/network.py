"""The options that say which peers to find and how; what ``submit``, ``peers`` and ``start`` have in common."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer
from attrs import evolve

from plasm.config import Config
from plasm.contracts import PeerRecord
from plasm.errors import InvalidInput
from plasm.model import PeerId
from plasm.plugins import PluginHost, PluginKind

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


def read_peer(text: str) -> PeerRecord:
    """``ADDR/p2p/PEER_ID``.

    Raises:
        InvalidInput: no peer id at its end, or no address before it.
    """
    address, separator, name = text.rpartition("/p2p/")
    if not separator or not address.startswith("/"):
        raise InvalidInput(
            f"{text!r} is not the address of a peer",
            hint="write it like /ip4/192.0.2.7/udp/4001/quic-v1/p2p/12D3KooW…, as plasm start prints it",
        )
    return PeerRecord(PeerId.parse(name), (text,))


def read_config(bootstrap: list[str] | None) -> Config:
    """The configuration, with these peers to begin with.

    Raises:
        InvalidInput: an address that is none.
    """
    config = Config.from_environment(os.environ)
    begin = (*config.bootstrap, *(bootstrap or ()))
    for text in begin:
        read_peer(text)
    return evolve(config, bootstrap=begin)


def choose_discoveries(config: Config, asked: Sequence[str] | None, *, otherwise: bool) -> tuple[str, ...]:
    """The discoveries that were asked for (``none`` asks for none); ``otherwise`` those of the configuration, or mdns,
    where it is installed."""
    if asked is None and otherwise:
        asked = config.discoveries
    if asked:
        return tuple(name for name in asked if name != "none")
    if not otherwise:
        return ()
    host = PluginHost(config)
    usable = {each.name for each in host.entries if each.kind is PluginKind.DISCOVERY and not host.disabled(each)}
    return ("dht",) if config.bootstrap and "dht" in usable else ("mdns",) if "mdns" in usable else ()
