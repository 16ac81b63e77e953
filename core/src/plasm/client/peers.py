"""Having a job run by a peer: what the ways to it have in common.

There are two, with one interface: :class:`~plasm.client.node.NodeClient` goes through the node of this machine,
:class:`~plasm.client.mesh.MeshClient` to peers directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TypedDict

from plasm.errors import JobCancelled, PlasmError
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.job import Job
from plasm.jobs.sinks import OutputSink
from plasm.model import PeerId
from plasm.submission.acceptance import Delivered


class Require(TypedDict, total=False):
    """What a peer must have, beside what the job's manifest says.

    ``arch`` is an architecture by the kernel's name (``x86_64``, ``aarch64``), ``runtime`` the name of a runtime
    plugin, ``memory`` how many bytes the peer must be able to give a job.
    """

    arch: str
    runtime: str
    memory: int


class Chosen(NamedTuple):
    """The peer that has taken a job; ``arch`` and ``version`` (of its Plasm) where it was asked directly.

    ``starts_in_ms`` is the peer's estimate of the milliseconds that the job waits for a worker, 0 where one is free.
    """

    peer: PeerId
    arch: str | None = None
    version: str | None = None
    starts_in_ms: int = 0


class PeerClient(Protocol):
    """Has jobs run by peers, one after another, and verifies what comes back."""

    def submit(
        self,
        job: Job,
        sink: OutputSink,
        *,
        stdin: bytes | int | None = None,
        require: Require | None = None,
        attempts: int = 1,
        search_seconds: float | None = None,
        cancellation: Cancellation | None = None,
        chosen: Callable[[Chosen], None] | None = None,
    ) -> Delivered:
        """Have a peer run ``job``; returns when its result has been verified.

        Args:
            job: has no folders, for those stay on this machine.
            sink: takes the output as it comes; with more than one attempt, when it has been verified.
            stdin: the job's input: bytes, or a descriptor that stays its owner's.
            require: what the peer must have.
            attempts: how many peers may fail before the job is given up; one that does not take it is no attempt.
            search_seconds: how long to look for peers; ``None`` as long as usual.
            cancellation: ends the job when it is requested.
            chosen: is told who has taken the job, and again when another peer takes its place.

        Raises:
            InvalidInput: the job has folders.
            JobCancelled: ``cancellation`` was requested before there was a result.
            OutputUnwanted: ``sink`` did not take the output.
            PeerNotFound: no peer takes the job; the message says who did not and why.
            PeerLied: the result does not verify.
            PlasmError: what else went wrong in the last attempt.
        """
        ...


@contextmanager
def ended_by(cancellation: Cancellation | None) -> Iterator[None]:
    """Say of a job that fails after ``cancellation`` was requested that it was cancelled: it fails because of that."""
    try:
        yield
    except PlasmError:
        if cancellation is not None and cancellation.requested:
            raise JobCancelled("the job was cancelled before its result came") from None
        raise
