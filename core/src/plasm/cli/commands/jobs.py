"""``plasm jobs``: what the node on this machine has been given to run."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from plasm.cli.tables import moment, show_table
from plasm.control.finding import node
from plasm.ops.console import show_json

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm jobs
  plasm jobs --limit 1000 --json | jq '.[] | select(.state == "running")'
"""


@app.command(epilog=_EXAMPLES)
def jobs(
    limit: Annotated[int, typer.Option(help="So many at most.", min=1, max=100_000)] = 20,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the jobs of this machine's node, newest first: id, state, outcome, times, peer and module."""
    with node() as client:
        rows = client.ask("jobs", limit=limit)
    if json_:
        show_json(rows)
        return
    show_table(
        ["job", "state", "outcome", "started", "finished", "peer", "module"],
        (
            [
                row["job"],
                row["state"],
                row["outcome"] or "",
                moment(row["started_us"]),
                moment(row["finished_us"]),
                row["peer"],
                row["module"][:12] + "…",
            ]
            for row in rows
        ),
    )
