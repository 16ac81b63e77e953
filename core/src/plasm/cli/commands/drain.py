"""``plasm drain``: have the node on this machine end when its jobs have, or have it take jobs again."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from plasm.control.finding import node
from plasm.ops.console import say, show_json

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm drain
  plasm drain --undo     as long as a job runs: the node takes jobs again
"""


@app.command(epilog=_EXAMPLES)
def drain(
    undo: Annotated[bool, typer.Option("--undo", help="Have a node that drains take jobs again.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Have this machine's node take no more jobs, and end when those that run have ended."""
    with node() as client:
        said = client.ask("undrain" if undo else "drain")
    if json_:
        show_json(said)
    elif undo:
        say(f"the node takes jobs; it runs {said['running']}")
    else:
        say(f"the node takes no more jobs, and ends after the {said['running']} that it runs")
