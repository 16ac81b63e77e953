"""The public surface of Plasm, which the package ``plasm`` hands on: ``plasm.run`` is :func:`plasm.api.run`.

**In one call**: :func:`run` here, :func:`submit` on a peer, :func:`verify` a receipt.

**Many jobs**: a :class:`Job` is made of a :class:`Module` (:func:`read_module`) and a :class:`Manifest` (with an
:class:`Invocation` and :class:`Limits`).  A client has jobs run: :class:`LocalClient` on this machine,
:class:`NodeClient` through the node of this machine, :class:`MeshClient` by peers over a transport of its own;
:func:`peer_client` chooses between the latter two.  Output goes to an :class:`OutputSink`, of which
:class:`CollectingSink` is one, and a :class:`Cancellation` ends a job.

**What comes of it**: an :class:`Outcome`, its :class:`Usage`, and a :class:`Receipt` once it is verified.

Every error that is meant for a caller is a :class:`PlasmError` with ``code``, ``message`` and ``hint``; all classes
are in :mod:`plasm.errors`.  Sizes are in bytes, durations in milliseconds unless their name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from plasm._lazy import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plasm.artifacts.modules import Module as Module
    from plasm.artifacts.modules import read_module as read_module
    from plasm.client.choosing import peer_client as peer_client
    from plasm.client.local import Completed as Completed
    from plasm.client.local import LocalClient as LocalClient
    from plasm.client.mesh import MeshClient as MeshClient
    from plasm.client.node import NodeClient as NodeClient
    from plasm.client.peers import Chosen as Chosen
    from plasm.client.peers import PeerClient as PeerClient
    from plasm.client.peers import Require as Require
    from plasm.config import Config as Config
    from plasm.contracts import PeerRecord as PeerRecord
    from plasm.errors import PlasmError as PlasmError
    from plasm.jobs.cancellation import Cancellation as Cancellation
    from plasm.jobs.job import Job as Job
    from plasm.jobs.job import Report as Report
    from plasm.jobs.sinks import AsyncOutputSink as AsyncOutputSink
    from plasm.jobs.sinks import CollectingSink as CollectingSink
    from plasm.jobs.sinks import OutputSink as OutputSink
    from plasm.mesh.capability import Requirements as Requirements
    from plasm.model import Invocation as Invocation
    from plasm.model import Limits as Limits
    from plasm.model import Manifest as Manifest
    from plasm.model import Mount as Mount
    from plasm.model import Outcome as Outcome
    from plasm.model import OutcomeKind as OutcomeKind
    from plasm.model import PeerId as PeerId
    from plasm.model import Preopen as Preopen
    from plasm.model import TrapKind as TrapKind
    from plasm.model import Usage as Usage
    from plasm.receipts import LegacyReceipt as LegacyReceipt
    from plasm.receipts import Receipt as Receipt
    from plasm.submission.acceptance import Delivered as Delivered
    from plasm.submission.submitter import Submitter as Submitter

__getattr__, __dir__ = lazily(
    __name__,
    {
        "AsyncOutputSink": "plasm.jobs.sinks",
        "Cancellation": "plasm.jobs.cancellation",
        "Chosen": "plasm.client.peers",
        "CollectingSink": "plasm.jobs.sinks",
        "Completed": "plasm.client.local",
        "Config": "plasm.config",
        "Delivered": "plasm.submission.acceptance",
        "Invocation": "plasm.model",
        "Job": "plasm.jobs.job",
        "LegacyReceipt": "plasm.receipts",
        "Limits": "plasm.model",
        "LocalClient": "plasm.client.local",
        "Manifest": "plasm.model",
        "MeshClient": "plasm.client.mesh",
        "Module": "plasm.artifacts.modules",
        "Mount": "plasm.model",
        "NodeClient": "plasm.client.node",
        "Outcome": "plasm.model",
        "OutcomeKind": "plasm.model",
        "OutputSink": "plasm.jobs.sinks",
        "PeerClient": "plasm.client.peers",
        "PeerId": "plasm.model",
        "PeerRecord": "plasm.contracts",
        "PlasmError": "plasm.errors",
        "Preopen": "plasm.model",
        "Receipt": "plasm.receipts",
        "Report": "plasm.jobs.job",
        "Require": "plasm.client.peers",
        "Requirements": "plasm.mesh.capability",
        "Submitter": "plasm.submission.submitter",
        "TrapKind": "plasm.model",
        "Usage": "plasm.model",
        "peer_client": "plasm.client.choosing",
        "read_module": "plasm.artifacts.modules",
    },
)


@frozen
class Result:
    """What came of a job.

    Attributes:
        outcome: how it ended; a job that failed has a result like any other.
        usage: what it took.
        node: who ran it and signed the receipt.
        stdout: all that it wrote there.
        stderr: all that it wrote there.
        receipt: the signed envelope as JSON, as :func:`verify` and ``plasm verify`` take it.
    """

    outcome: Outcome
    usage: Usage
    node: PeerId
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    receipt: bytes = field(repr=False)


def run(
    module: bytes | str | Path,
    args: Sequence[str] = (),
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    preopens: Sequence[tuple[str | Path, str, bool]] = (),
    limits: Limits | None = None,
    runtime: str | None = None,
    signer: str | None = None,
) -> Result:
    r"""Run one job on this machine.

    >>> result = plasm.run("examples/hello/hello.wasm", ["Hello, World"], limits=plasm.Limits(wall_time=5000))
    >>> result.stdout, result.outcome.exit_code
    (b'dlroW ,olleH\n', 0)

    To run many, keep one :class:`LocalClient`: its worker stays warm.

    Args:
        module: a WebAssembly module, a WASI preview 1 command: its bytes, or the path of a file.
        args: the job's arguments, without the program's own name.
        stdin: the job's input.
        env: the job's environment variables; it inherits none.
        preopens: folders that the job sees, as (host folder, absolute guest path, read-only).
        limits: what the job may take; memory and output in bytes, times in milliseconds.
        runtime: the name of a runtime plugin; ``None`` leaves it to the configuration.
        signer: the name of a signing plugin; ``None`` leaves it to the configuration.

    Returns:
        The result, whatever became of the job.

    Raises:
        InvalidInput: a value that cannot be used; of its subclasses ``InvalidModule`` for what is no module and
            ``UnreadableInput`` for a file that cannot be read.
        LimitNotEnforceable, FeatureNotProvided: the runtime cannot run such a job.
        JobRefused: an extension does not admit it.
        PluginError: a plugin that is missing or fails.
        IdentityError: the key of this machine cannot be used.
    """
    from plasm.client.local import LocalClient
    from plasm.jobs.sinks import CollectingSink

    job, sink = _job(module, args, env, preopens, limits), CollectingSink()
    with LocalClient(runtime=runtime, signer=signer) as client:
        completed = client.run(job, sink, stdin=stdin)
        receipt = client.sign(completed)
        node = client.peer_id
    report = completed.report
    return Result(report.outcome, report.usage, node, sink.content("stdout"), sink.content("stderr"), receipt)


def submit(
    module: bytes | str | Path,
    args: Sequence[str] = (),
    *,
    peers: Sequence[str] = (),
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    require: Require | None = None,
    attempts: int = 1,
    search_seconds: float | None = None,
) -> Result:
    """Run one job on a peer, and verify what it delivers.

    It goes through the node of this machine where one runs (which runs the job itself where no peer takes it), and else
    to peers directly.  Not to be called where an event loop runs; there is :class:`MeshClient` for asynchronous
    programs.

    Args:
        module: as for :func:`run`.
        args: as for :func:`run`.
        peers: addresses that end in ``/p2p/`` and a peer id, as ``plasm start`` prints them; these and no others are
            asked.  Without any, peers are found as the configuration says.
        stdin: the job's input.
        env: the job's environment variables.
        limits: what the job may take.
        require: what the peer must have, as in ``{"arch": "aarch64", "runtime": "wasmtime", "memory": 2**31}``; each is
            optional, and ``memory`` is in bytes.
        attempts: how many peers may fail before the job is given up.
        search_seconds: how long to look for peers; ``None`` as long as usual.

    Returns:
        The result; its receipt was signed by the peer that ran the job, is about this very job and names this output.

    Raises:
        InvalidInput: a value that cannot be used.
        PeerNotFound: no peer takes the job; the message says who did not and why.
        PeerLied: what the peer delivered does not verify.
        PeerError: what else went wrong between the peers.
        NodeNotRunning: the node of this machine ended meanwhile.
    """
    from plasm.client.choosing import peer_client
    from plasm.contracts import PeerRecord
    from plasm.jobs.sinks import CollectingSink

    job, sink = _job(module, args, env, (), limits), CollectingSink()
    client = peer_client(peers=[PeerRecord.parse(address) for address in peers])
    delivered = client.submit(job, sink, stdin=stdin, require=require, attempts=attempts, search_seconds=search_seconds)
    claims, output = delivered.claims, (sink.content("stdout"), sink.content("stderr"))
    return Result(claims.outcome, claims.usage, delivered.peer, *output, delivered.receipt)


def verify(
    receipt: bytes,
    *,
    module: bytes | None = None,
    stdin: bytes | None = None,
    stdout: bytes | None = None,
    stderr: bytes | None = None,
    signer: PeerId | str | None = None,
) -> Receipt | LegacyReceipt:
    r"""The claims of a receipt that holds and speaks of everything that is given.

    >>> result = plasm.run("examples/hello/hello.wasm", ["abc"])
    >>> claims = plasm.verify(result.receipt, stdout=b"cba\n", signer=result.node)
    >>> str(claims.outcome)
    'exited with code 0'
    >>> plasm.verify(result.receipt, stdout=b"something else")
    Traceback (most recent call last):
        ...
    plasm.errors.VerificationFailed: ...

    Without ``signer`` this shows that *some* node vouches for the claims, not that one you trust does.

    Args:
        receipt: the signed envelope as JSON, of any version.
        module: the bytes of the module that must have run.
        stdin: what must have been the job's input.
        stdout: what must have been its output.
        stderr: what must have been its messages.
        signer: the node that must have signed.

    Returns:
        A :class:`LegacyReceipt` for a receipt of version 0.1, which names neither input nor output.

    Raises:
        InvalidReceipt: not a receipt.
        VerificationFailed: it was changed, or speaks of something else.
        InvalidInput: ``signer`` is not a peer id.
    """
    from plasm.model import PeerId, sha256_hex
    from plasm.receipts import Expectation, read, require

    outputs = {"stdout": stdout, "stderr": stderr}
    claims = read(receipt)
    require(
        claims,
        Expectation(
            signer=PeerId.parse(signer) if isinstance(signer, str) else signer,
            module=None if module is None else sha256_hex(module),
            stdin=None if stdin is None else sha256_hex(stdin),
            subjects={name: sha256_hex(data) for name, data in outputs.items() if data is not None},
        ),
    )
    return claims


def _job(
    module: bytes | str | Path,
    args: Sequence[str],
    env: Mapping[str, str] | None,
    preopens: Sequence[tuple[str | Path, str, bool]],
    limits: Limits | None,
) -> Job:
    from plasm.artifacts.modules import Module, read_module
    from plasm.jobs.job import Job
    from plasm.model import Invocation, Limits, Manifest, Mount, Preopen

    loaded = Module.of(module) if isinstance(module, bytes) else read_module(module)
    bound = tuple(
        sorted(
            (Preopen(str(host), Mount(guest, read_only)) for host, guest, read_only in preopens),
            key=lambda preopen: preopen.mount.guest,
        )
    )
    invocation = Invocation(args, env or {}, [preopen.mount for preopen in bound])
    return Job(Manifest(loaded.digest, invocation, limits or Limits()), loaded, bound)
