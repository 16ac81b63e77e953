"""A job as its worker is given it: the payload of JOB, in the types that marshal knows.

A worker trusts its parent, so the order is taken at its word.  It needs the model; the frames do without, for they are
loaded before the fork of a worker.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, NamedTuple

from plasm.model import Determinism, Invocation, Limits, Mount, Preopen, Sha256

if TYPE_CHECKING:
    from plasm.jobs.job import Job


class Order(NamedTuple):
    """What a worker has to run; ``stdin`` says whether input will come."""

    module: Sha256
    invocation: Invocation
    preopens: tuple[Preopen, ...]
    limits: Limits
    determinism: Determinism | None
    stdin: bool

    @property
    def writes_files(self) -> bool:
        """Whether the job may write to a folder."""
        return not all(preopen.mount.read_only for preopen in self.preopens)


def encode(job: Job, *, stdin: bool) -> bytes:
    """The order to run ``job``, with input where ``stdin`` says so."""
    manifest, limits, determinism = job.manifest, job.manifest.limits, job.manifest.determinism
    return marshal.dumps(
        (
            job.module.digest,
            manifest.invocation.args,
            dict(manifest.invocation.env),
            [(preopen.host, preopen.mount.guest, preopen.mount.read_only) for preopen in job.preopens],
            (limits.memory, limits.fuel, limits.wall_time, limits.cpu_time, limits.output, limits.files),
            None if determinism is None else (determinism.clock, determinism.seed),
            stdin,
        )
    )


def decode(payload: bytes) -> Order:
    """The inverse of :func:`encode`."""
    module, args, env, folders, (memory, fuel, wall_time, cpu_time, output, files), determinism, stdin = marshal.loads(
        payload
    )
    preopens = tuple(Preopen(host, Mount(guest, read_only)) for host, guest, read_only in folders)
    return Order(
        module,
        Invocation(args, env, [preopen.mount for preopen in preopens]),
        preopens,
        Limits(memory=memory, fuel=fuel, wall_time=wall_time, cpu_time=cpu_time, output=output, files=files),
        determinism and Determinism(*determinism),
        stdin,
    )
