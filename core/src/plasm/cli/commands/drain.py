"""``plasm drain``: have the node on this machine end when its jobs have."""

from __future__ import annotations

from typing import Annotated

import typer

from plasm.control.finding import node
from plasm.ops.console import say, show_json

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm drain
"""


@app.command(epilog=EXAMPLES)
def drain(json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Have this machine's node take no more jobs, and end when those that run have ended."""
    with node() as client:
        said = client.ask("drain")
    if json_:
        show_json(said)
    else:
        say(f"the node takes no more jobs, and ends after the {said['running']} that it runs")
