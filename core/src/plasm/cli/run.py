"""``plasm run``: a job on this machine."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from attrs import evolve

from plasm.artifacts.modules import Module, read_module
from plasm.cli.console import say
from plasm.cli.options import complete, open_output, open_stdin, parse_dir, parse_env, quantity
from plasm.cli.streams import PassThroughSink
from plasm.client.local import LocalClient
from plasm.errors import ExitStatus, InvalidModule
from plasm.execution.cancellation import Cancellation
from plasm.execution.job import Job
from plasm.model import Invocation, Limits, Manifest, Outcome, OutcomeKind
from plasm.model.quantities import format_duration, format_size, parse_duration, parse_size

if TYPE_CHECKING:
    from plasm.cli.report import ReportedSink

app = typer.Typer(rich_markup_mode=None, add_completion=False)

DEFAULTS = Limits()

EXAMPLES = """\b
Examples:
  plasm run hello.wasm "Hello, World"
  plasm run csvstats.wasm --stdin table.csv --memory 64MiB --timeout 2s
  plasm run digest.wasm --dir ./photos:/data:ro --receipt photos.receipt.json
  plasm run tool.wasm -- --its-own-option
  plasm run job.wasm --json | jq .outcome

\b
Exit status: the job's own code (123 when it is higher), 124 timed out, 125 Plasm could not do it,
126 refused or stopped by a limit, 130 interrupted, 134 trapped, 141 stdout was closed.
"""


@app.command(epilog=EXAMPLES)
def run(
    ctx: typer.Context,
    module: Annotated[
        Path, typer.Argument(metavar="MODULE", help="The job's WebAssembly module, a WASI preview 1 command.")
    ],
    args: Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="The job's arguments.")] = None,
    stdin: Annotated[Path | None, typer.Option(help="Give the job this file instead of our own stdin.")] = None,
    env: Annotated[
        list[str] | None, typer.Option(help="Set a variable for the job; it inherits none.", metavar="NAME=VALUE")
    ] = None,
    dir_: Annotated[
        list[str] | None, typer.Option("--dir", help="Let the job see a folder.", metavar="HOST:GUEST[:ro]")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help=f"Memory at most [{format_size(DEFAULTS.memory)}].", metavar="SIZE")
    ] = None,
    fuel: Annotated[int | None, typer.Option(help="Units of work at most [no limit].", metavar="N")] = None,
    timeout: Annotated[
        str | None, typer.Option(help=f"Time at most [{format_duration(DEFAULTS.wall_time)}].", metavar="TIME")
    ] = None,
    cpu_time: Annotated[
        str | None, typer.Option(help="Processor time of all its threads at most [no limit].", metavar="TIME")
    ] = None,
    output_limit: Annotated[
        str | None, typer.Option(help=f"Output at most [{format_size(DEFAULTS.output)}].", metavar="SIZE")
    ] = None,
    file_limit: Annotated[
        str | None, typer.Option(help=f"Written to files at most [{format_size(DEFAULTS.files)}].", metavar="SIZE")
    ] = None,
    manifest: Annotated[Path | None, typer.Option(help="Read the job's manifest (.toml or .json).")] = None,
    receipt: Annotated[Path | None, typer.Option(help="Write the signed receipt to this file.")] = None,
    receipt_format: Annotated[Literal["v1", "0.1"], typer.Option(help="Form of the receipt.")] = "v1",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing of our own on stderr.")] = False,
    runtime: Annotated[str | None, typer.Option(help="Runtime plugin to use.", metavar="NAME")] = None,
    signer: Annotated[str | None, typer.Option(help="Signing plugin to use.", metavar="NAME")] = None,
) -> int:
    """Run a WebAssembly job on this machine, in a sandbox.

    The job's output passes through byte for byte.  It sees no network, no variable and no file but what is given
    to it here; what comes after -- is the job's, options too.
    """
    loaded = read_module(module)
    asked = _manifest(
        loaded,
        manifest,
        args,
        env,
        limits={
            "memory": quantity("--memory", memory, parse_size),
            "fuel": fuel,
            "wall_time": quantity("--timeout", timeout, parse_duration),
            "cpu_time": quantity("--cpu-time", cpu_time, parse_duration),
            "output": quantity("--output-limit", output_limit, parse_size),
            "files": quantity("--file-limit", file_limit, parse_size),
        },
    )
    preopens = tuple(sorted(map(parse_dir, dir_ or []), key=lambda preopen: preopen.mount.guest))
    job = Job(asked.bind(preopens), loaded, preopens)
    with ExitStack() as stack:
        source = open_stdin(stack, stdin)
        pending = open_output(stack, receipt) if receipt is not None else None
        client = stack.enter_context(
            LocalClient(
                runtime=runtime or ctx.obj.runtime or job.manifest.runtime,
                signer=signer or ctx.obj.signer,
                started=ctx.obj.started,
            )
        )
        signed = pending is not None or json_
        if signed:
            # A key that cannot be used is told before the job runs, not after.
            peer_id = client.peer_id
            if client.made_identity and not quiet:
                say(f"made a new identity for this machine: {peer_id}")
        cancellation = stack.enter_context(Cancellation())
        caught = _cancel_on_signals(cancellation)
        sink = _sink(json_, cancellation)
        try:
            completed = client.run(job, sink, stdin=source, cancellation=cancellation)
        except InvalidModule as error:
            raise type(error)(f"{module}: {error.message}", hint=error.hint) from None
        outcome = completed.report.outcome
        if signed:
            envelope = client.sign(completed) if receipt_format == "v1" else client.sign_legacy(completed)
            if pending is not None and receipt is not None:
                complete(pending, receipt, envelope + b"\n")
            sink.show(completed, envelope)
        if not quiet:
            _tell(outcome, job.manifest.limits)
        if sink.closed:
            return ExitStatus.OUTPUT_CLOSED
        if outcome.kind is OutcomeKind.CANCELLED and caught:
            return 128 + caught[0]
        return outcome.exit_status


def _sink(as_json: bool, cancellation: Cancellation) -> "PassThroughSink | ReportedSink":
    if not as_json:
        return PassThroughSink(cancellation)
    from plasm.cli.report import ReportedSink

    return ReportedSink()


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


def _cancel_on_signals(cancellation: Cancellation) -> list[int]:
    """Have Ctrl-C and a polite kill stop the job instead of us; returns a list that will hold the signal."""
    caught: list[int] = []

    def cancel(number: int, _frame: object) -> None:
        caught.append(number)
        cancellation.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, cancel)
    return caught


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


def _tell(outcome: Outcome, limits: Limits) -> None:
    """Say why a job ended that did not exit by itself."""
    if outcome.kind in _ADVICE:
        name, option = _ADVICE[outcome.kind]
        value: int = getattr(limits, name)
        show = _SHOWN[name]
        say(f"the job {outcome} ({name} = {show(value)}; raise it with {option})")
    elif outcome.exit_code is None:
        say(f"the job {outcome}")
    elif outcome.exit_code > ExitStatus.CODE_OUT_OF_RANGE:
        say(f"the job {outcome}, which a shell sees as {ExitStatus.CODE_OUT_OF_RANGE.value}")
