"""``plasm submit``: a job on a peer."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from plasm.cli import job as given
from plasm.cli import network
from plasm.cli.console import say
from plasm.cli.options import complete, open_output, open_stdin
from plasm.cli.receiving import PassThroughReceiver
from plasm.client.mesh import MeshClient
from plasm.errors import ExitStatus, InvalidInput
from plasm.execution.job import Job
from plasm.mesh.capability import CapabilityRecord, Requirements
from plasm.model.quantities import parse_duration, parse_size
from plasm.submission.exchange import Delivered, Immediately
from plasm.submission.replay import ReplayableInput
from plasm.submission.submitter import SEARCH_SECONDS

if TYPE_CHECKING:
    from plasm.cli.report import ReportedSink

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm submit hello.wasm "Hello, World"
  plasm submit job.wasm --peer /ip4/192.0.2.7/udp/4001/quic-v1/p2p/12D3KooW…
  plasm submit job.wasm --discovery dht --bootstrap /dns/example.org/tcp/4001/p2p/12D3KooW…
  plasm submit job.wasm --require arch=aarch64,memory=2GiB --attempts 3 --receipt job.receipt.json

\b
Exit status: as plasm run; 125 where no peer took the job or its result does not verify.
"""


@app.command(epilog=EXAMPLES)
def submit(
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
    json_: given.AsJson = False,
    quiet: given.Quiet = False,
    runtime: given.RuntimeName = None,
    signer: given.SignerName = None,
    require: Annotated[
        str | None, typer.Option(help="What the peer must have.", metavar="arch=…,runtime=…,memory=…")
    ] = None,
    peer: network.Peers = None,
    discovery: network.Discoveries = None,
    bootstrap: network.Bootstrap = None,
    transport: network.TransportName = None,
    attempts: Annotated[int, typer.Option(help="Try so many peers when one fails.", min=1, max=100)] = 1,
    search: Annotated[str, typer.Option(help="Look for peers so long.", metavar="TIME")] = f"{SEARCH_SECONDS:.0f}s",
) -> int:
    """Run a WebAssembly job on a peer, and verify its receipt.

    Peers are found on the local network unless --peer or --discovery says otherwise.  The output passes through as it
    comes; with more than one attempt, when it has been verified.
    """
    limits = given.read_limits(memory, fuel, timeout, cpu_time, output_limit, file_limit)
    job = given.read_job(module, args, env, folders, manifest, limits)
    if job.preopens:
        raise InvalidInput("a job with folders cannot be sent to a peer", hint="use plasm run, or pass input on stdin")
    requirements = _requirements(job, require, runtime or ctx.obj.runtime)
    config = network.read_config(bootstrap)
    named = [network.read_peer(text) for text in peer or ()]
    client = MeshClient(
        config,
        peers=named,
        discoveries=network.choose_discoveries(config, discovery, otherwise=not named),
        transport=transport,
        signer=signer or ctx.obj.signer,
    )
    with ExitStack() as stack:
        source = open_stdin(stack, stdin)
        pending = open_output(stack, receipt) if receipt is not None else None
        sink = _sink(json_)
        replayable = stack.enter_context(ReplayableInput(source)) if source is not None else None

        def chosen(record: CapabilityRecord) -> None:
            if not quiet:
                say(f"the job runs on {record.peer} ({record.arch}, plasm {record.version})")

        async def main() -> Delivered:
            async with client as submitter:
                return await submitter.run(
                    job,
                    sink if isinstance(sink, PassThroughReceiver) else Immediately(sink),
                    requirements,
                    stdin=replayable,
                    attempts=attempts,
                    seconds=parse_duration(search) / 1000,
                    chosen=chosen,
                )

        delivered, caught = network.until_signal(main)
        if delivered is None:
            if not quiet:
                say("the job cancelled")
            return 128 + caught
        if pending is not None and receipt is not None:
            complete(pending, receipt, delivered.receipt + b"\n")
        return _finish(job, delivered, sink, quiet=quiet)


def _finish(job: Job, delivered: Delivered, sink: "PassThroughReceiver | ReportedSink", *, quiet: bool) -> int:
    from plasm.cli.report import Ended

    claims = delivered.claims
    sink.show(Ended(claims.job_id, claims.node, claims.outcome, claims.usage, claims.truncated), delivered.receipt)
    if not quiet:
        given.tell(claims.outcome, job.manifest.limits)
        say(f"its receipt verifies: {claims.outcome} on {claims.runtime_name} {claims.runtime_version}")
    return ExitStatus.OUTPUT_CLOSED if sink.closed else claims.outcome.exit_status


def _requirements(job: Job, text: str | None, runtime: str | None) -> Requirements:
    asked = dict.fromkeys(("arch", "runtime", "memory"))
    for part in filter(None, (text or "").split(",")):
        name, _, value = part.partition("=")
        if name not in asked or not value:
            raise InvalidInput(f"--require {part!r} says nothing", hint="write arch=…, runtime=… or memory=…")
        asked[name] = value
    memory = parse_size(asked["memory"]) if asked["memory"] else 0
    return Requirements.of(job.manifest, arch=asked["arch"], runtime=asked["runtime"] or runtime, memory=memory)


def _sink(as_json: bool) -> "PassThroughReceiver | ReportedSink":
    if not as_json:
        return PassThroughReceiver()
    from plasm.cli.report import ReportedSink

    return ReportedSink()
