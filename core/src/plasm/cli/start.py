"""``plasm start``: this machine as a node."""

import os
import signal
from collections.abc import Callable, Sequence
from typing import Annotated

import anyio
import typer

from plasm.cli import network
from plasm.cli.console import say
from plasm.concurrency import task_group
from plasm.errors import ExitStatus
from plasm.model import PeerId
from plasm.node.log import Log
from plasm.node.node import Node, Settings
from plasm.node.policy import Policy

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm start                                        be found on the local network
  plasm start --listen /ip4/0.0.0.0/udp/4001/quic-v1 --workers 4
  plasm start --discovery dht --bootstrap /dns/example.org/tcp/4001/p2p/12D3KooW…
  plasm start --discovery none --allow 12D3KooW…     for one peer that knows the address

\b
Events go to stderr, one line each, as JSON unless it is a terminal.  SIGTERM or Ctrl-C: jobs that run are finished,
new ones are turned away; a second one ends at once.
"""


@app.command(epilog=EXAMPLES)
def start(
    ctx: typer.Context,
    listen: Annotated[
        list[str] | None, typer.Option(help="Listen at this multiaddress; may be repeated.", metavar="ADDR")
    ] = None,
    discovery: network.Discoveries = None,
    bootstrap: network.Bootstrap = None,
    transport: network.TransportName = None,
    runtime: Annotated[
        list[str] | None, typer.Option(help="Runtime plugin to offer; may be repeated.", metavar="NAME")
    ] = None,
    workers: Annotated[int, typer.Option(help="Jobs at once.", min=1, max=1024)] = os.cpu_count() or 1,
    queue: Annotated[int, typer.Option(help="Jobs that may wait.", min=0, max=10_000)] = 64,
    allow: Annotated[
        list[str] | None, typer.Option(help="Take jobs of this peer only; may be repeated.", metavar="PEER_ID")
    ] = None,
    deny: Annotated[
        list[str] | None, typer.Option(help="Take no job of this peer; may be repeated.", metavar="PEER_ID")
    ] = None,
    jobs_per_peer: Annotated[int, typer.Option(help="Jobs of one peer at once.", min=1)] = Policy().jobs_per_peer,
    signer: Annotated[str | None, typer.Option(help="Signing plugin to use.", metavar="NAME")] = None,
) -> int:
    """Offer this machine to peers: run their jobs in a sandbox and sign receipts."""
    config = network.read_config(bootstrap)
    chosen = runtime or ([ctx.obj.runtime] if ctx.obj.runtime else [])
    settings = Settings(
        runtimes=tuple(chosen),
        discoveries=network.choose_discoveries(config, discovery, otherwise=True),
        transport=transport,
        signer=signer or ctx.obj.signer,
        listen=tuple(listen or ()),
        workers=workers,
        waiting=queue,
        policy=Policy(
            allow=[PeerId.parse(text) for text in allow or ()],
            deny=[PeerId.parse(text) for text in deny or ()],
            jobs_per_peer=jobs_per_peer,
        ),
    )
    node = Node(config, settings, Log())

    def ready(addresses: Sequence[str]) -> None:
        say(f"this machine is the node {node.peer}")
        for address in addresses:
            say(f"peers reach it at {address}")

    anyio.run(_run, node, ready, backend="trio")
    return ExitStatus.OK


async def _run(node: Node, ready: Callable[[Sequence[str]], None]) -> None:
    """Run ``node``; the first signal drains it, the second one ends it."""
    async with task_group() as tasks:
        tasks.start_soon(_heed_signals, node, tasks.cancel_scope)
        await node.run(ready)
        tasks.cancel_scope.cancel()


async def _heed_signals(node: Node, everything: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            node.drain()
            break
        async for _ in signals:
            everything.cancel()
