"""The options that say which peers to find and how; what ``submit``, ``peers`` and ``start`` have in common."""

from typing import Annotated

import typer

Peers = Annotated[
    list[str] | None,
    typer.Option("--peer", help="Ask this peer; may be repeated.", metavar="ADDR/p2p/PEER_ID"),
]
Discoveries = Annotated[
    list[str] | None,
    typer.Option("--discovery", help="Discovery plugin to use; may be repeated [the preferred one].", metavar="NAME"),
]
Bootstrap = Annotated[
    list[str] | None,
    typer.Option("--bootstrap", help="A peer to begin with; may be repeated.", metavar="ADDR/p2p/PEER_ID"),
]
TransportName = Annotated[str | None, typer.Option("--transport", help="Transport plugin to use.", metavar="NAME")]
