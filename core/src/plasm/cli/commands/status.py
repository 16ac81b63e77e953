"""``plasm status``: how the node on this machine is."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from plasm.control.finding import node
from plasm.model.quantities import format_duration
from plasm.model.text import printable
from plasm.ops.console import show_json

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm status
  plasm status --json | jq .running
"""


@app.command(epilog=_EXAMPLES)
def status(json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Show the node that runs on this machine: what it offers, what it runs, what it has run."""
    with node() as client:
        said = client.ask("status")
    if json_:
        show_json(said)
        return
    runtimes = ", ".join(f"{runtime['name']} {runtime['version']}" for runtime in said["runtimes"])
    ended = ", ".join(f"{count} {outcome}" for outcome, count in sorted(said["jobs"].items())) or "none"
    extensions = ", ".join(f"{each['name']} {each['version']}" for each in said.get("extensions", ()))
    up = format_duration(said["uptime_s"] * 1000)
    if said["draining"]:
        # A node that was started before an upgrade does not say more.
        lasting = f" for {format_duration(said['draining_s'] * 1000)}" if "draining_s" in said else ""
        state = f"{said.get('state', 'draining')}{lasting}, up for {up}"
    else:
        state = f"running for {up}"
    for name, value in (
        ("node", said["node"]),
        ("state", f"{state}, plasm {said['version']}"),
        ("runtimes", runtimes),
        *([("extensions", extensions)] if extensions else []),
        ("jobs", f"{said['running']} running, {said['waiting']} waiting, {said['workers']} workers"),
        ("ended", ended),
        *(("address", address) for address in said["addresses"]),
    ):
        typer.echo(printable(f"{name:<10} {value}"))
