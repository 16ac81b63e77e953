"""``plasm start``: this machine as a node."""

import logging
import os
import signal
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import anyio
import anyio.abc
import typer

from plasm.cli import peer_options
from plasm.config import LogFormat
from plasm.errors import ExitStatus
from plasm.node.configuration import ReloadableConfig, options_of
from plasm.node.node import Node
from plasm.ops.concurrency import task_group
from plasm.ops.console import say
from plasm.ops.log import LibraryWarnings, Log
from plasm.ops.running import run
from plasm.ops.service_manager import ServiceManager

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm start                                        be found on the local network
  plasm start --listen /ip4/0.0.0.0/udp/4001/quic-v1 --workers 4
  plasm start --discovery dht --bootstrap /dns/example.org/tcp/4001/p2p/12D3KooW…
  plasm start --discovery none --allow 12D3KooW…     for one peer that knows the address

\b
Events go to stderr, one line each, as JSON unless it is a terminal.  SIGTERM or Ctrl-C: jobs that run are finished,
new ones are turned away; a second one ends at once.  SIGHUP: what the configuration lets peers do is read again.
Without an option, the configuration decides: plasm config show.
"""


@app.command(epilog=_EXAMPLES)
def start(
    ctx: typer.Context,
    listen: Annotated[
        list[str] | None, typer.Option(help="Listen at this multiaddress; may be repeated.", metavar="ADDR")
    ] = None,
    discovery: peer_options.Discoveries = None,
    bootstrap: peer_options.Bootstrap = None,
    transport: peer_options.TransportName = None,
    runtime: Annotated[
        list[str] | None, typer.Option(help="Runtime plugin to offer; may be repeated.", metavar="NAME")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Jobs at once.", min=1, max=1024)] = None,
    queue: Annotated[int | None, typer.Option(help="Jobs that may wait.", min=0, max=10_000)] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="Take jobs of this peer only; may be repeated.", metavar="PEER_ID")
    ] = None,
    deny: Annotated[
        list[str] | None, typer.Option(help="Take no job of this peer; may be repeated.", metavar="PEER_ID")
    ] = None,
    jobs_per_peer: Annotated[int | None, typer.Option(help="Jobs of one peer at once.", min=1)] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Serve metrics for Prometheus at this loopback address.", metavar="HOST:PORT")
    ] = None,
    signer: Annotated[str | None, typer.Option(help="Signing plugin to use.", metavar="NAME")] = None,
) -> int:
    """Offer this machine to peers: run their jobs in a sandbox and sign receipts."""
    host = ctx.obj.begin_with(bootstrap or ())
    options = {
        "signer": ("--signer", signer or ctx.obj.signer),
        "transport": ("--transport", transport),
        "node.listen": ("--listen", listen or None),
        "node.workers": ("--workers", workers),
        "node.queue": ("--queue", queue),
        "node.runtimes": ("--runtime", runtime or ([ctx.obj.runtime] if ctx.obj.runtime else None)),
        "metrics.listen": ("--metrics", metrics),
        "policy.allow": ("--allow", allow or None),
        "policy.deny": ("--deny", deny or None),
        "policy.jobs_per_peer": ("--jobs-per-peer", jobs_per_peer),
    }
    source = ReloadableConfig(os.environ, {key: given for key, given in options.items() if given[1] is not None})
    said = source.at_start.config
    discoveries = host.choose_discoveries(discovery)
    # Workers start at any time, and must not meet a file that has changed meanwhile.
    os.environ.update(source.at_start.variables())
    log = Log(readable=_READABLE[said.log.format])
    logging.getLogger().addHandler(LibraryWarnings(log))
    node = Node(host, options_of(said, discoveries), log, ServiceManager(os.environ))

    def ready(addresses: Sequence[str]) -> None:
        say(f"this machine is the node {node.peer}")
        for address in addresses:
            say(f"peers reach it at {address}")

    run(_run, node, source, ready)
    return ExitStatus.OK


_READABLE: Final = {LogFormat.AUTO: None, LogFormat.JSON: False, LogFormat.TEXT: True}


async def _run(node: Node, source: ReloadableConfig, ready: Callable[[Sequence[str]], None]) -> None:
    """Run ``node``; the first SIGTERM or SIGINT has it finish its jobs and end, the second one has it end at once,
    SIGHUP has it read ``source``."""
    async with task_group() as tasks:
        tasks.start_soon(_heed_signals, node, source, tasks)
        await node.run(ready)
        tasks.cancel_scope.cancel()


async def _heed_signals(node: Node, source: ReloadableConfig, tasks: anyio.abc.TaskGroup) -> None:
    stopping = False
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async for each in signals:
            if each is signal.SIGHUP:
                tasks.start_soon(node.reload, source.reload)
            elif stopping:
                tasks.cancel_scope.cancel()
            else:
                node.stop()
                stopping = True
