"""One job in one call: for a person at a prompt and for the shortest programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from plasm.artifacts.modules import Module, read_module
from plasm.client.local import LocalClient
from plasm.jobs.job import Job
from plasm.jobs.sinks import CollectingSink
from plasm.model import Invocation, Limits, Manifest, Mount, Outcome, Preopen, Usage


@frozen
class Result:
    """What :func:`run` returns; ``receipt`` is the signed envelope as JSON."""

    outcome: Outcome
    usage: Usage
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
    """Run one job on this machine and return its output with a signed receipt.

    ``module`` is a path or the module's bytes; ``preopens`` are (host folder, guest path, read-only).  To run
    many jobs, keep one :class:`LocalClient`: its worker stays warm.

    Raises:
        PlasmError: the job was refused or cannot be run; one that ran and failed is a result like any other.
    """
    loaded = Module.of(module) if isinstance(module, bytes) else read_module(module)
    bound = tuple(
        sorted(
            (Preopen(str(host), Mount(guest, read_only)) for host, guest, read_only in preopens),
            key=lambda preopen: preopen.mount.guest,
        )
    )
    invocation = Invocation(args, env or {}, [preopen.mount for preopen in bound])
    job = Job(Manifest(loaded.digest, invocation, limits or Limits()), loaded, bound)
    sink = CollectingSink()
    with LocalClient(runtime=runtime, signer=signer) as client:
        completed = client.run(job, sink, stdin=stdin)
        receipt = client.sign(completed)
    report = completed.report
    return Result(report.outcome, report.usage, sink.content("stdout"), sink.content("stderr"), receipt)
