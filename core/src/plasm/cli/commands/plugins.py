"""``plasm plugins``: what is installed, whether it works, and whether it is right."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from plasm.config import Config
from plasm.errors import ExitStatus, InvalidInput, PluginError
from plasm.model.text import printable
from plasm.ops.console import say, show_json
from plasm.plugins import PluginEntry, PluginHost, PluginKind
from plasm.plugins.loading import load

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm plugins             what is installed, read from metadata
  plasm plugins --load      and whether each can be loaded
  plasm plugins --json | jq '.[].name'
  plasm plugins check NAME  whether a runtime does all that a runtime must
"""

CHECK_EXAMPLES = """\b
Examples:
  plasm plugins check wasmtime
  plasm plugins check mine --json | jq '.behaviours[] | select(.state == "failed")'
"""


@app.callback(invoke_without_command=True, epilog=EXAMPLES, subcommand_metavar="[check NAME]")
def plugins(
    ctx: typer.Context,
    load_: Annotated[bool, typer.Option("--load", help="Load each plugin, and say why one cannot be.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the installed plugins: kind, name, version, distribution and state.

    disable_plugins in the configuration turns off those that it names, as NAME or KIND:NAME.
    """
    if ctx.invoked_subcommand is not None:
        if load_ or json_:
            raise InvalidInput(
                "--load and --json stand before a command", hint="write: plasm plugins check NAME --json"
            )
        return
    from plasm.execution.worker import confinement

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
    for name, consequence in confinement.missing().items():
        say(f"warning[no-{name}]: this kernel has no {name}: {consequence}")


@app.command(epilog=CHECK_EXAMPLES)
def check(
    name: Annotated[str, typer.Argument(help="The runtime plugin's name.", metavar="NAME", show_default=False)],
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Try whether a runtime does all that a runtime must: one line for each behaviour.

    Declared are behaviours that it refuses as it should, for it does not say that it can. The exit status is 125 when
    one failed.
    """
    host = PluginHost(Config.from_environment(os.environ))
    runtime = _runtime(host, name)
    import attrs

    from plasm.artifacts.cache import ArtifactCache
    from plasm.execution.parent.executor import Executor
    from plasm.testing import checking

    with Executor(runtime, ArtifactCache(host.config.cache_dir / "modules" / runtime)) as executor:
        description = executor.describe()
    results = []
    for result in checking.check(checking.runtime_contract(runtime)):
        results.append(result)
        if not json_:
            typer.echo(printable(f"{result.state:<8}  {result.behaviour}" + (f": {result.why}" if result.why else "")))
            for line in result.trace.splitlines():
                typer.echo(printable(f"    {line}"))
    counts = {state.value: sum(result.state is state for result in results) for state in checking.State}
    if json_:
        behaviours = [attrs.asdict(result) for result in results]
        show_json({"runtime": runtime, "version": description.version, **counts, "behaviours": behaviours})
    else:
        summary = ", ".join(f"{count} {state}" for state, count in counts.items())
        typer.echo(printable(f"{runtime} {description.version}: {summary}"))
    return ExitStatus.FAILED if counts[checking.State.FAILED] else ExitStatus.OK


def _runtime(host: PluginHost, name: str) -> str:
    """The name of a runtime that can be checked."""
    kinds = [entry.kind for entry in host.entries if entry.name == name]
    if kinds and PluginKind.RUNTIME not in kinds:
        raise InvalidInput(
            f"{name!r} is a {kinds[0]} plugin, and there is no kit for that kind yet", hint="see: plasm plugins"
        )
    return host.select(PluginKind.RUNTIME, name).name


def _row(host: PluginHost, entry: PluginEntry, *, try_load: bool) -> dict[str, str]:
    state, why = "installed", ""
    rivals = [other for other in host.entries if (other.kind, other.name) == (entry.kind, entry.name)]
    if host.disabled(entry):
        state, why = "disabled", "named by disable_plugins"
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
