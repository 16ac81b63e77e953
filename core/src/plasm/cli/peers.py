"""``plasm peers``: who is there, and what they offer."""

import json
from typing import Annotated, Any

import typer

from plasm.cli import network
from plasm.cli.console import printable, say, show_json
from plasm.cli.running import until_signal
from plasm.client.mesh import MeshClient
from plasm.errors import ExitStatus, PlasmError
from plasm.model.quantities import format_size, parse_duration
from plasm.node.answers import peer_row
from plasm.submission.submitter import Candidate

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm peers                       on the local network
  plasm peers --watch               as they come, until Ctrl-C
  plasm peers --discovery dht --bootstrap /dns/example.org/tcp/4001/p2p/12D3KooW…
  plasm peers --json | jq '.[].peer'
"""

_FOR_EVER = 10**9


@app.command(epilog=EXAMPLES)
def peers(
    ctx: typer.Context,
    peer: network.Peers = None,
    discovery: network.Discoveries = None,
    bootstrap: network.Bootstrap = None,
    transport: network.TransportName = None,
    search: Annotated[str, typer.Option(help="Look for so long.", metavar="TIME")] = "3s",
    watch: Annotated[bool, typer.Option("--watch", help="Go on looking until Ctrl-C.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch one document a line.")] = False,
) -> int:
    """List peers that answer: id, architecture, runtimes, memory for a job, jobs at once, latency."""
    config = network.read_config(bootstrap)
    named = [network.read_peer(text) for text in peer or ()]
    client = MeshClient(
        config,
        peers=named,
        discoveries=network.choose_discoveries(config, discovery, otherwise=not named),
        transport=transport,
        signer=ctx.obj.signer,
    )
    found: list[dict[str, Any]] = []

    def tell(answer: Candidate | PlasmError) -> None:
        if isinstance(answer, PlasmError):
            say(f"warning[{answer.code}]: {answer}")
            return
        row = peer_row(answer.record, answer.connection.address, answer.latency)
        found.append(row)
        if json_ and watch:
            typer.echo(json.dumps(row))
        elif not json_:
            typer.echo(printable(_line(row)))

    async def main() -> None:
        async with client as submitter:
            await submitter.peers(tell, _FOR_EVER if watch else parse_duration(search) / 1000)

    until_signal(main)
    if json_ and not watch:
        show_json(found)
    return ExitStatus.OK


def _line(row: dict[str, Any]) -> str:
    runtimes = ", ".join(row["runtimes"])
    offer = f"{row['arch']}  {runtimes}  {format_size(row['memory'])}  {row['workers']} at once"
    return f"{row['peer']}  {offer}  {row['latency_ms']} ms  {row['address']}"
