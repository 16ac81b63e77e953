"""``plasm receipts``: what the node on this machine has signed."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from plasm.cli.output import complete, open_output
from plasm.cli.report import describe
from plasm.cli.tables import moment, show_table
from plasm.control.finding import node
from plasm.model.text import printable
from plasm.ops.console import say, show_json
from plasm.receipts import read

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

_EXAMPLES: Final = """\b
Examples:
  plasm receipts list
  plasm receipts show 0b8a4a12d727589068f8055cb3b92c9a
  plasm receipts export 0b8a4a12d727589068f8055cb3b92c9a job.receipt.json
  plasm receipts verify
"""

Limit = Annotated[int, typer.Option(help="So many at most.", min=1, max=100_000)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
JobId = Annotated[str, typer.Argument(help="The job, as plasm receipts list shows it.", metavar="JOB")]


@app.callback(epilog=_EXAMPLES)
def receipts() -> None:
    """The receipts that this machine's node has issued."""


@app.command("list")
def list_(limit: Limit = 20, json_: AsJson = False) -> None:
    """List them, newest first."""
    with node() as client:
        rows = client.ask("receipts", limit=limit)
    if json_:
        show_json(rows)
        return
    columns = ["job", "outcome", "finished", "peer"]
    show_table(columns, ([row["job"], row["outcome"], moment(row["finished_us"]), row["peer"]] for row in rows))


@app.command()
def show(job: JobId, json_: AsJson = False) -> None:
    """Show what one claims."""
    envelope = _envelope(job)
    if json_:
        show_json(envelope)
        return
    for line in describe(read(json.dumps(envelope).encode())):
        typer.echo(printable(line))


@app.command()
def export(job: JobId, path: Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE")]) -> None:
    """Write one to a file, as plasm verify takes it."""
    with ExitStack() as stack:
        pending = open_output(stack, path)
        text = json.dumps(_envelope(job), sort_keys=True, separators=(",", ":"))
        complete(pending, path, text.encode() + b"\n")


@app.command()
def verify(limit: Limit = 100_000, json_: AsJson = False) -> None:
    """Check that each of them still holds.  The exit status is 125 when one does not."""
    from plasm.errors import ExitStatus, NodeNotRunning, PlasmError

    broken: dict[str, str] = {}
    with node() as client:
        rows = client.ask("receipts", more=True, limit=limit)
        for row in rows:
            try:
                read(json.dumps(client.ask("receipt", more=True, job=row["job"])).encode())
            except NodeNotRunning:
                raise  # no fault of a receipt's
            except PlasmError as error:
                broken[row["job"]] = str(error)
    if json_:
        show_json({"verified": len(rows) - len(broken), "broken": broken})
    else:
        for job, why in broken.items():
            say(f"{job}: {why}")
        say(f"{len(rows) - len(broken)} receipts hold, {len(broken)} do not")
    if broken:
        raise typer.Exit(ExitStatus.FAILED)


def _envelope(job: str) -> Any:
    with node() as client:
        return client.ask("receipt", job=job)
