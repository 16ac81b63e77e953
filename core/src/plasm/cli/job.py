"""The job that a command line describes: what ``run`` and ``submit`` have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer
from attrs import evolve

from plasm.artifacts.modules import Module, read_module
from plasm.cli.options import parse_dir, parse_env, quantity
from plasm.errors import ExitStatus
from plasm.jobs.job import Job
from plasm.model import Invocation, Limits, Manifest, Outcome, OutcomeKind
from plasm.model.quantities import format_duration, format_size, parse_duration, parse_size
from plasm.ops.console import debugging, say, show_trace

DEFAULTS = Limits()

ModulePath = Annotated[
    Path, typer.Argument(metavar="MODULE", help="The job's WebAssembly module, a WASI preview 1 command.")
]
Arguments = Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="The job's arguments.")]
Stdin = Annotated[Path | None, typer.Option(help="Give the job this file instead of our own stdin.")]
Env = Annotated[
    list[str] | None, typer.Option("--env", help="Set a variable for the job; it inherits none.", metavar="NAME=VALUE")
]
Folders = Annotated[
    list[str] | None, typer.Option("--dir", help="Let the job see a folder.", metavar="HOST:GUEST[:ro]")
]
Memory = Annotated[str | None, typer.Option(help=f"Memory at most [{format_size(DEFAULTS.memory)}].", metavar="SIZE")]
Fuel = Annotated[int | None, typer.Option(help="Units of work at most [no limit].", metavar="N")]
Timeout = Annotated[
    str | None, typer.Option(help=f"Time at most [{format_duration(DEFAULTS.wall_time)}].", metavar="TIME")
]
CpuTime = Annotated[
    str | None, typer.Option(help="Processor time of all its threads at most [no limit].", metavar="TIME")
]
OutputLimit = Annotated[
    str | None, typer.Option(help=f"Output at most [{format_size(DEFAULTS.output)}].", metavar="SIZE")
]
FileLimit = Annotated[
    str | None, typer.Option(help=f"Written to files at most [{format_size(DEFAULTS.files)}].", metavar="SIZE")
]
ManifestPath = Annotated[Path | None, typer.Option(help="Read the job's manifest (.toml or .json).")]
ReceiptPath = Annotated[Path | None, typer.Option(help="Write the signed receipt to this file.")]
ReceiptFormat = Annotated[Literal["v1", "0.1"], typer.Option(help="Form of the receipt.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of our own on stderr.")]
RuntimeName = Annotated[str | None, typer.Option(help="Runtime plugin to use.", metavar="NAME")]
SignerName = Annotated[str | None, typer.Option(help="Signing plugin to use.", metavar="NAME")]


def read_job(
    module: Path,
    args: list[str] | None,
    env: list[str] | None,
    folders: list[str] | None,
    manifest: Path | None,
    limits: dict[str, int | None],
) -> Job:
    """The job in the file ``module``, with what the command line says put over the manifest in the file ``manifest``.

    Raises:
        InvalidInput: something that cannot be used; the message names it.
    """
    loaded = read_module(module)
    asked = _manifest(loaded, manifest, args, env, limits)
    preopens = tuple(sorted(map(parse_dir, folders or []), key=lambda preopen: preopen.mount.guest))
    return Job(asked.bind(preopens), loaded, preopens)


def read_limits(
    memory: str | None,
    fuel: int | None,
    timeout: str | None,
    cpu_time: str | None,
    output_limit: str | None,
    file_limit: str | None,
) -> dict[str, int | None]:
    """The limits that were given, by the names of the fields of :class:`~plasm.model.Limits`.

    Raises:
        InvalidInput: not a quantity; the message names the option.
    """
    return {
        "memory": quantity("--memory", memory, parse_size),
        "fuel": fuel,
        "wall_time": quantity("--timeout", timeout, parse_duration),
        "cpu_time": quantity("--cpu-time", cpu_time, parse_duration),
        "output": quantity("--output-limit", output_limit, parse_size),
        "files": quantity("--file-limit", file_limit, parse_size),
    }


def _manifest(
    module: Module,
    path: Path | None,
    args: list[str] | None,
    env: list[str] | None,
    limits: dict[str, int | None],
) -> Manifest:
    """The manifest in the file at ``path``, or a default one, with what the command line says put over it."""
    if path is None:
        manifest = Manifest(module.digest)
    else:
        from plasm.cli.documents import load_manifest

        manifest = load_manifest(path, module.digest)
    invocation = manifest.invocation
    return evolve(
        manifest,
        invocation=Invocation(
            args or invocation.args, {**invocation.env, **dict(map(parse_env, env or []))}, invocation.mounts
        ),
        limits=evolve(manifest.limits, **{name: value for name, value in limits.items() if value is not None}),
    )


_ADVICE = {
    OutcomeKind.TIMED_OUT: ("wall_time", "--timeout"),
    OutcomeKind.OUT_OF_MEMORY: ("memory", "--memory"),
    OutcomeKind.OUT_OF_FUEL: ("fuel", "--fuel"),
    OutcomeKind.OUT_OF_CPU_TIME: ("cpu_time", "--cpu-time"),
    OutcomeKind.OUTPUT_LIMIT: ("output", "--output-limit"),
    OutcomeKind.FILE_LIMIT: ("files", "--file-limit"),
}
_SHOWN: dict[str, Callable[[int], str]] = {
    "wall_time": format_duration,
    "cpu_time": format_duration,
    "memory": format_size,
    "output": format_size,
    "files": format_size,
    "fuel": str,
}


def tell(outcome: Outcome, limits: Limits, trace: str = "") -> None:
    """Say why a job ended that did not exit by itself.

    Args:
        outcome: how it ended.
        limits: those that it had.
        trace: the traceback of its runtime where that crashed, or empty.
    """
    if outcome.kind in _ADVICE:
        name, option = _ADVICE[outcome.kind]
        value: int = getattr(limits, name)
        show = _SHOWN[name]
        say(f"the job {outcome} ({name} = {show(value)}; raise it with {option})")
    elif trace and debugging():
        say(f"the job {outcome}")
        show_trace(trace)
    elif outcome.exit_code is None:
        say(f"the job {outcome}" + (" (PLASM_DEBUG=1 shows why)" if trace else ""))
    elif outcome.exit_code > ExitStatus.CODE_OUT_OF_RANGE:
        say(f"the job {outcome}, which a shell sees as {ExitStatus.CODE_OUT_OF_RANGE.value}")
