"""``plasm submit``: a job on a peer."""

from contextlib import ExitStack
from typing import Annotated

import typer

from plasm.cli import job as given
from plasm.cli import network
from plasm.cli.options import complete, open_output, open_stdin
from plasm.cli.submitting import Asked, Submitted
from plasm.control.finding import node_serves_us
from plasm.errors import InvalidInput
from plasm.jobs.replay import ReplayableInput
from plasm.model import PeerId
from plasm.model.quantities import parse_duration, parse_size
from plasm.ops.console import say

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
    search: Annotated[str | None, typer.Option(help="Look for peers so long [10s].", metavar="TIME")] = None,
) -> int:
    """Run a WebAssembly job on a peer, and verify its receipt.

    Peers are found on the local network unless --peer or --discovery says otherwise; a node of yours that runs on this
    machine does it, over the connections that it has, and runs the job itself where nobody else takes it.  The output
    passes through as it comes; with more than one attempt, when it has been verified.
    """
    limits = given.read_limits(memory, fuel, timeout, cpu_time, output_limit, file_limit)
    job = given.read_job(module, args, env, folders, manifest, limits)
    if job.preopens:
        raise InvalidInput("a job with folders cannot be sent to a peer", hint="use plasm run, or pass input on stdin")
    asked = Asked(
        job=job,
        config=network.read_config(bootstrap),
        peers=tuple(peer or ()),
        discoveries=tuple(discovery or ()),
        transport=transport,
        signer=signer or ctx.obj.signer,
        require=_required(require, runtime or ctx.obj.runtime),
        attempts=attempts,
        seconds=None if search is None else parse_duration(search) / 1000,
        as_json=json_,
        quiet=quiet,
    )
    for address in asked.peers:
        PeerId.of_address(address)
    with ExitStack() as stack:
        source = open_stdin(stack, stdin)
        pending = open_output(stack, receipt) if receipt is not None else None
        given_input = stack.enter_context(ReplayableInput(source)) if source is not None else None
        submit_so = _through_node if not bootstrap and _node_can(asked) else _directly
        ended, envelope, status = submit_so(asked, given_input)
        if ended is None:
            if not quiet:
                say("the job cancelled")
            return status
        if pending is not None and receipt is not None and envelope is not None:
            complete(pending, receipt, envelope + b"\n")
        if not quiet:
            given.tell(ended.outcome, job.manifest.limits)
            say(f"its receipt verifies: {ended.outcome} on {ended.node}")
        return status


def _node_can(asked: Asked) -> bool:
    """Whether a node runs here that can do what is asked; it finds peers in the ways of its own configuration."""
    return not (asked.transport or asked.signer or asked.discoveries) and node_serves_us(asked.config)


def _through_node(asked: Asked, source: ReplayableInput | None) -> Submitted:
    from plasm.cli.submitting_by_node import submit_by_node

    return submit_by_node(asked, source)


def _directly(asked: Asked, source: ReplayableInput | None) -> Submitted:
    from plasm.cli.submitting_directly import submit_directly

    return submit_directly(asked, source)


def _required(text: str | None, runtime: str | None) -> dict[str, str | int]:
    asked: dict[str, str | int] = {} if runtime is None else {"runtime": runtime}
    for part in filter(None, (text or "").split(",")):
        name, _, value = part.partition("=")
        if name not in ("arch", "runtime", "memory") or not value:
            raise InvalidInput(f"--require {part!r} says nothing", hint="write arch=…, runtime=… or memory=…")
        asked[name] = parse_size(value) if name == "memory" else value
    return asked
