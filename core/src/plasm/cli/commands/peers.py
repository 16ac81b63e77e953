"""``plasm peers``: who is there, and what they offer."""

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer

from plasm.cli import peer_options
from plasm.cli.tables import moment
from plasm.config import Config
from plasm.contracts import PeerRecord
from plasm.control.finding import node, node_serves_us
from plasm.errors import AccessDenied, ExitStatus, NodeNotRunning, PlasmError
from plasm.model.quantities import format_size, parse_duration
from plasm.model.text import printable
from plasm.ops.console import show_json, warn
from plasm.plugins import PluginHost

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm peers                       on the local network; those that this machine's node knows, where one runs
  plasm peers --watch               as they come, until Ctrl-C
  plasm peers --discovery dht --bootstrap /dns/example.org/tcp/4001/p2p/12D3KooW…
  plasm peers --json | jq '.[].peer'
"""

_FOR_EVER: Final = 10**9

Row = dict[str, Any]


@app.command(epilog=_EXAMPLES)
def peers(
    ctx: typer.Context,
    peer: peer_options.Peers = None,
    discovery: peer_options.Discoveries = None,
    bootstrap: peer_options.Bootstrap = None,
    transport: peer_options.TransportName = None,
    search: Annotated[str, typer.Option(help="Look for so long.", metavar="TIME")] = "3s",
    watch: Annotated[bool, typer.Option("--watch", help="Go on looking until Ctrl-C.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch one document a line.")] = False,
) -> int:
    """List peers that answer: id, architecture, runtimes, memory for a job, jobs at once, latency.

    A node of yours that runs on this machine is asked, unless --watch or an option says whom to ask or how; it also
    lists the peers that it knows from before and that do not answer now.
    """
    host = ctx.obj.begin_with(bootstrap or ())
    named = [PeerRecord.parse(text) for text in peer or ()]
    seconds = _FOR_EVER if watch else parse_duration(search) / 1000
    found: list[Row] = []

    def tell(row: Row) -> None:
        found.append(row)
        if json_ and watch:
            typer.echo(json.dumps(row))
        elif not json_:
            typer.echo(printable(_line(row)))

    by_node = not (watch or named or discovery or transport or ctx.obj.signer or bootstrap)
    rows = _of_node(host.config, seconds) if by_node else None
    if rows is not None:
        for row in rows:
            tell(row)
    else:
        discoveries = host.choose_discoveries(discovery, otherwise=not named)
        _look(host, named, discoveries, transport, ctx.obj.signer, seconds, tell)
    if json_ and not watch:
        show_json(found)
    return ExitStatus.OK


def _of_node(config: Config, seconds: float) -> list[Row] | None:
    """The peers of this machine's node; ``None`` where none runs that would tell us."""
    if not node_serves_us(config):
        return None
    try:
        with node() as client:
            rows: list[Row] = client.ask("peers", seconds=seconds)
            return rows
    except (NodeNotRunning, AccessDenied):
        return None


def _look(
    host: PluginHost,
    named: Sequence[PeerRecord],
    discoveries: Sequence[str],
    transport: str | None,
    signer: str | None,
    seconds: float,
    tell: Callable[[Row], None],
) -> None:
    """Look for peers from here, with a transport and discoveries of our own."""
    from plasm.client.mesh import MeshClient
    from plasm.node.peer_rows import answered_row
    from plasm.ops.running import until_signal
    from plasm.submission.submitter import Candidate

    client = MeshClient(host=host, peers=named, discoveries=discoveries, transport=transport, signer=signer)

    def heard(answer: Candidate | PlasmError) -> None:
        if isinstance(answer, PlasmError):
            warn(answer)
        else:
            tell(answered_row(answer))

    async def main() -> None:
        async with client as submitter:
            await submitter.peers(heard, seconds)

    until_signal(main)


def _line(row: Row) -> str:
    runtimes = ", ".join(row["runtimes"])
    if row["state"] == "known":
        seen = f"does not answer, last seen {moment(row['last_seen'] * 10**6)}"
        return "  ".join(filter(None, [row["peer"], row["arch"], runtimes, seen, row["address"]]))
    offer = f"{row['arch']}  {runtimes}  {format_size(row['memory'])}  {row['workers']} at once"
    return f"{row['peer']}  {offer}  {row['latency_ms']} ms  {row['address']}"
