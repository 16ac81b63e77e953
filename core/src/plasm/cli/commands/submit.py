"""``plasm submit``: a job on a peer."""

import gc
import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, Final

import typer

from plasm.cli import job_options as given
from plasm.cli import peer_options
from plasm.cli.output import choose_sink, complete, open_output, tell
from plasm.client.choosing import peer_client
from plasm.client.peers import Chosen, Require
from plasm.contracts import PeerRecord
from plasm.errors import ExitStatus, InvalidInput, JobCancelled, OutputUnwanted
from plasm.jobs.cancellation import Cancellation
from plasm.model.quantities import parse_duration, parse_size
from plasm.ops.console import say
from plasm.ops.signals import cancel_on_signals

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm submit hello.wasm "Hello, World"
  plasm submit job.wasm --peer /ip4/192.0.2.7/udp/4001/quic-v1/p2p/12D3KooW…
  plasm submit job.wasm --discovery dht --bootstrap /dns/example.org/tcp/4001/p2p/12D3KooW…
  plasm submit job.wasm --require arch=aarch64,memory=2GiB --attempts 3 --receipt job.receipt.json

\b
Exit status: as plasm run; 125 where no peer took the job or its result does not verify.
"""


@app.command(epilog=_EXAMPLES)
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
    peer: peer_options.Peers = None,
    discovery: peer_options.Discoveries = None,
    bootstrap: peer_options.Bootstrap = None,
    transport: peer_options.TransportName = None,
    attempts: Annotated[int, typer.Option(help="Try so many peers when one fails.", min=1, max=100)] = 1,
    search: Annotated[str | None, typer.Option(help="Look for peers so long [10s].", metavar="TIME")] = None,
) -> int:
    """Run a WebAssembly job on a peer, and verify its receipt.

    Peers are found on the local network unless --peer or --discovery says otherwise; a node of yours that runs on this
    machine does it, over the connections that it has, and runs the job itself where nobody else takes it.  The output
    passes through as it comes; with more than one attempt, when it has been verified.
    """
    limits = given.read_limits(memory, fuel, timeout, cpu_time, output_limit, file_limit)
    job = given.read_job(module, args, env, folders, manifest, limits)
    job.check_portable()
    host = ctx.obj.begin_with(bootstrap or ())
    peers = [PeerRecord.parse(address) for address in peer or ()]
    required = _read_require(require, runtime or ctx.obj.runtime)
    search_ms = given.quantity("--search", search, parse_duration)
    discoveries: Sequence[str] | None = None
    if discovery or bootstrap:
        discoveries = host.choose_discoveries(discovery, otherwise=not peers)
    client = peer_client(
        host=host, peers=peers, discoveries=discoveries, transport=transport, signer=signer or ctx.obj.signer
    )

    def tell_who(chosen: Chosen) -> None:
        if not quiet:
            asked = f" ({chosen.arch}, plasm {chosen.version})" if chosen.arch else ""
            seconds = math.ceil(chosen.starts_in_ms / 1000)
            waits = f"; it waits about {seconds} s for a worker" if seconds else ""
            say(f"the job runs on {chosen.peer}{asked}{waits}")

    with ExitStack() as stack:
        source = given.open_stdin(stack, stdin)
        pending = open_output(stack, receipt) if receipt is not None else None
        cancellation = stack.enter_context(Cancellation())
        caught = cancel_on_signals(cancellation.cancel)
        sink = choose_sink(json_, cancellation)
        # The command began without a collection of garbage; a peer may take long.
        gc.freeze()
        gc.enable()
        try:
            delivered = client.submit(
                job,
                sink,
                stdin=source,
                require=required,
                attempts=attempts,
                search_seconds=None if search_ms is None else search_ms / 1000,
                cancellation=cancellation,
                chosen=tell_who,
            )
        except JobCancelled:
            if not caught:
                raise
            if not quiet:
                say("the job cancelled")
            return 128 + caught[0]
        except OutputUnwanted:
            raise sink.failure or OutputUnwanted("whoever reads the job's output has gone") from None
        outcome = delivered.claims.outcome
        if pending is not None and receipt is not None:
            complete(pending, receipt, delivered.receipt + b"\n")
        sink.show(delivered.claims, delivered.receipt, outcome.exit_status)
        if not quiet:
            tell(outcome, job.manifest.limits)
            say(f"its receipt verifies: {outcome} on {delivered.peer}")
        if sink.failure is not None:
            raise sink.failure
        return ExitStatus.OUTPUT_CLOSED if sink.closed else outcome.exit_status


def _read_require(text: str | None, runtime: str | None) -> Require:
    require: Require = {} if runtime is None else {"runtime": runtime}
    for part in filter(None, (text or "").split(",")):
        name, _, value = part.partition("=")
        if name == "memory" and value:
            require["memory"] = given.quantity("--require memory", value, parse_size) or 0
        elif name in ("arch", "runtime") and value:
            require[name] = value  # type: ignore[literal-required]  # one of the two names
        else:
            raise InvalidInput(f"--require {part!r} says nothing", hint="write arch=…, runtime=… or memory=…")
    return require
