"""``plasm run``: a job on this machine."""

from contextlib import ExitStack
from typing import Final

import typer

from plasm.cli import job_options as given
from plasm.cli.output import choose_sink, complete, open_output, tell
from plasm.client.local import LocalClient
from plasm.errors import ExitStatus, InvalidModule
from plasm.jobs.cancellation import Cancellation
from plasm.model import OutcomeKind
from plasm.ops.console import say
from plasm.ops.signals import cancel_on_signals

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
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


@app.command(epilog=_EXAMPLES)
def run(
    ctx: typer.Context,
    module: given.ModulePath,
    args: given.Arguments = None,
    stdin: given.Stdin = None,
    env: given.Env = None,
    folders: given.Folders = None,
    memory: given.Memory = None,
    fuel: given.Fuel = None,
    timeout: given.Timeout = None,
    cpu_time: given.CpuTime = None,
    output_limit: given.OutputLimit = None,
    file_limit: given.FileLimit = None,
    manifest: given.ManifestPath = None,
    receipt: given.ReceiptPath = None,
    receipt_format: given.ReceiptFormat = "v1",
    json_: given.AsJson = False,
    quiet: given.Quiet = False,
    runtime: given.RuntimeName = None,
    signer: given.SignerName = None,
) -> int:
    """Run a WebAssembly job on this machine, in a sandbox.

    The job's output passes through byte for byte.  It sees no network, no variable and no file but what is given
    to it here; what comes after -- is the job's, options too.
    """
    limits = given.read_limits(memory, fuel, timeout, cpu_time, output_limit, file_limit)
    job = given.read_job(module, args, env, folders, manifest, limits)
    with ExitStack() as stack:
        source = given.open_stdin(stack, stdin)
        pending = open_output(stack, receipt) if receipt is not None else None
        client = stack.enter_context(
            LocalClient(
                host=ctx.obj.host,
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
        caught = cancel_on_signals(cancellation.cancel)
        sink = choose_sink(json_, cancellation)
        try:
            completed = client.run(job, sink, stdin=source, cancellation=cancellation)
        except InvalidModule as error:
            error.message = f"{module}: {error.message}"
            raise
        outcome = completed.report.outcome
        stopped_by = caught[0] if outcome.kind is OutcomeKind.CANCELLED and caught else None
        status = outcome.exit_status if stopped_by is None else 128 + stopped_by
        if signed:
            envelope = client.sign(completed) if receipt_format == "v1" else client.sign_legacy(completed)
            if pending is not None and receipt is not None:
                complete(pending, receipt, envelope + b"\n")
            sink.show(client.claims(completed), envelope, status)
        if sink.failure is not None:
            raise sink.failure
        if not quiet:
            tell(outcome, job.manifest.limits, completed.report.trace)
        return ExitStatus.OUTPUT_CLOSED if sink.closed else status
