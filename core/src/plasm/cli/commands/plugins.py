"""``plasm plugins``: what is installed, whether it works, and whether it is right."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from plasm.errors import ExitStatus, InvalidInput, PlasmError, PluginError
from plasm.model.text import printable
from plasm.ops.console import say, show_json, show_trace
from plasm.plugins import PluginEntry, PluginHost, PluginKind

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm plugins             what is installed, read from metadata
  plasm plugins --load      and whether each can be used
  plasm plugins --json | jq '.[].name'
  plasm plugins check NAME  whether a runtime does all that a runtime must
"""

_CHECK_EXAMPLES: Final = """\b
Examples:
  plasm plugins check wasmtime
  plasm plugins check mine --json | jq '.behaviours[] | select(.state == "failed")'
"""


@app.callback(invoke_without_command=True, epilog=_EXAMPLES, subcommand_metavar="[check NAME]")
def plugins(
    ctx: typer.Context,
    load_: Annotated[bool, typer.Option("--load", help="Try each plugin, and say why one cannot be used.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """List the installed plugins: kind, name, version, distribution and state.

    disable_plugins in the configuration turns off those that it names, as NAME or KIND:NAME. With --load the exit
    status is 125 when a plugin is broken.
    """
    if ctx.invoked_subcommand is not None:
        if load_ or json_:
            raise InvalidInput(
                "--load and --json stand before a command", hint="write: plasm plugins check NAME --json"
            )
        return ExitStatus.OK
    from plasm.execution.worker.confinement import protections

    host: PluginHost = ctx.obj.host
    errors = {entry: error for entry in host.entries if (error := _fault(host, entry, in_earnest=load_)) is not None}
    rows = [_row(host, entry, errors.get(entry), tried=load_) for entry in host.entries]
    status = ExitStatus.FAILED if load_ and errors else ExitStatus.OK
    if load_:
        for error in filter(lambda error: error.trace, errors.values()):
            say(f"error[{error.code}]: {error}")
            show_trace(error.trace)
    if json_:
        show_json(rows)
        return status
    columns = ["kind", "name", "version", "distribution", "state"]
    table = [columns, *([row[column] for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line, row in zip(table, [{"why": ""}, *rows], strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo(printable(f"{cells}  {row['why']}".rstrip()))
    for name, consequence in protections.missing().items():
        say(f"warning[no-{name}]: this kernel has no {name}: {consequence}")
    return status


@app.command(epilog=_CHECK_EXAMPLES)
def check(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The runtime plugin's name.", metavar="NAME", show_default=False)],
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Try whether a runtime does all that a runtime must: one line for each behaviour.

    Declared are behaviours that it refuses as it should, for it does not say that it can. The exit status is 125 when
    one failed.
    """
    host: PluginHost = ctx.obj.host
    runtime = _runtime(host, name)
    import attrs

    from plasm.artifacts.cache import ArtifactCache
    from plasm.execution.parent.executor import Executor
    from plasm.testing import checking

    with Executor(runtime, ArtifactCache(host.config.cache_dir / "modules" / runtime)) as executor:
        try:
            description = executor.describe()
        except PlasmError as error:
            show_trace(error.trace)
            raise
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
        article = "an" if kinds[0][0] in "aeiou" else "a"
        raise InvalidInput(
            f"{name!r} is {article} {kinds[0]} plugin, and there is no kit for that kind yet", hint="see: plasm plugins"
        )
    return host.select(PluginKind.RUNTIME, name).name


def _fault(host: PluginHost, entry: PluginEntry, *, in_earnest: bool) -> PlasmError | None:
    """Why a plugin cannot be used; unless ``in_earnest``, only extensions are loaded, which are so for every job."""
    if host.disabled(entry):
        return None
    if _rivals(host, entry):
        # Two of one name stop whoever chooses it; extensions are all in force.
        in_force = entry.kind is PluginKind.EXTENSION
        return PluginError("another distribution provides it, too", hint="uninstall one of them") if in_force else None
    try:
        if in_earnest:
            from plasm.cli.trying import try_plugin

            try_plugin(host, entry)
        elif entry.kind is PluginKind.EXTENSION:
            host.load(entry)
    except PlasmError as error:
        return error
    return None


def _rivals(host: PluginHost, entry: PluginEntry) -> list[str]:
    """The distributions that provide what ``entry`` does, where they are several."""
    same = [other.distribution for other in host.entries if (other.kind, other.name) == (entry.kind, entry.name)]
    return same if len(same) > 1 else []


def _row(host: PluginHost, entry: PluginEntry, error: PlasmError | None, *, tried: bool) -> dict[str, str]:
    state, why = "loaded" if tried else "installed", ""
    if host.disabled(entry):
        state, why = "disabled", "named by disable_plugins"
    elif rivals := _rivals(host, entry):
        state, why = "conflict", "provided by " + " and ".join(rivals)
    elif error is not None:
        state, why = "broken", str(error)
    return {
        "kind": entry.kind.value,
        "name": entry.name,
        "version": entry.version,
        "distribution": entry.distribution,
        "state": state,
        "why": why,
    }
