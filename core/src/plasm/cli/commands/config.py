"""``plasm config``: what is configured, where it comes from, and whether a file is right."""

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from plasm.config import check_file, read
from plasm.config.node_config import leaves
from plasm.config.reference import literal
from plasm.model.text import printable
from plasm.ops.console import show_json

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

_EXAMPLES: Final = """\b
Examples:
  plasm config show --origin
  plasm config show --json | jq '."node.workers"'
  plasm config check /etc/plasm/config.toml
"""


@app.callback(epilog=_EXAMPLES)
def config() -> None:
    """Show and check the configuration; docs/configuration.md describes every key."""


@app.command()
def show(
    ctx: typer.Context,
    origin: Annotated[
        bool, typer.Option("--origin", help="And the file and line, variable or option that set it.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Show every key with the value that is in force; one that is not set has none."""
    session = ctx.obj
    options = {"runtime": ("--runtime", session.runtime), "signer": ("--signer", session.signer)}
    effective = read(os.environ, {key: given for key, given in options.items() if given[1] is not None})
    values = effective.values()
    if json_:
        rows: dict[str, Any] = values
        if origin:
            rows = {key: {"value": value, "origin": effective.origins[key]} for key, value in values.items()}
        show_json(rows)
        return
    lines = {key: f"{key} = {literal(attribute, values[key])}".rstrip() for key, attribute in leaves()}
    width = min(60, max(map(len, lines.values()))) if origin else 0
    for key, line in lines.items():
        typer.echo(printable(f"{line:<{width}}  # {effective.origins[key]}" if origin else line))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A configuration file.", metavar="FILE", show_default=False)],
    json_: JsonOption = False,
) -> None:
    """Say what is wrong with a configuration file, with line and column; nothing when it is right."""
    check_file(file)
    if json_:
        show_json({"file": str(file), "valid": True})
