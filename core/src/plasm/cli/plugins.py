"""``plasm plugins``: what is installed, and whether it works."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from plasm.cli.console import printable, show_json
from plasm.config import Config
from plasm.errors import PluginError
from plasm.plugins import PluginEntry, PluginHost
from plasm.plugins.loading import load

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm plugins             what is installed, read from metadata
  plasm plugins --load      and whether each can be loaded
  plasm plugins --json | jq '.[].name'
"""


@app.command(epilog=EXAMPLES)
def plugins(
    load_: Annotated[bool, typer.Option("--load", help="Load each plugin, and say why one cannot be.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the installed plugins: kind, name, version, distribution and state.

    PLASM_DISABLE_PLUGINS turns off those that it names, as NAME or KIND:NAME.
    """
    host = PluginHost(Config.from_environment(os.environ))
    rows = [_row(host, entry, try_load=load_) for entry in host.entries]
    if json_:
        show_json(rows)
        return
    columns = ["kind", "name", "version", "distribution", "state"]
    table = [columns, *([row[column] for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line, row in zip(table, [{"why": ""}, *rows], strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo(printable(f"{cells}  {row['why']}".rstrip()))


def _row(host: PluginHost, entry: PluginEntry, *, try_load: bool) -> dict[str, str]:
    state, why = "installed", ""
    rivals = [other for other in host.entries if (other.kind, other.name) == (entry.kind, entry.name)]
    if host.disabled(entry):
        state, why = "disabled", "named by PLASM_DISABLE_PLUGINS"
    elif len(rivals) > 1:
        state, why = "conflict", "provided by " + " and ".join(rival.distribution for rival in rivals)
    elif try_load:
        try:
            load(entry)
            state = "loaded"
        except PluginError as error:
            state, why = "broken", str(error)
    return {
        "kind": entry.kind.value,
        "name": entry.name,
        "version": entry.version,
        "distribution": entry.distribution,
        "state": state,
        "why": why,
    }
