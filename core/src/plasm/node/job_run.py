"""Running a job that was accepted: its input and its progress, its end, its receipt.

One task reads what the client sends; the job runs in a thread, which sends the output and so feels the client's
back-pressure.  When the client goes, its job is cancelled.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

import anyio
import anyio.to_thread
from attrs import frozen

from plasm.errors import ProtocolViolation
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.claims import claims
from plasm.jobs.job import Job, Report
from plasm.mesh.messages import Message, Offer, Phase, Progress, StdinChunk, StdinEnd
from plasm.model import PeerId
from plasm.node.job_io import JobInput, MessageChannel, SendingSink
from plasm.node.resources import OfferedRuntime, Resources
from plasm.ops.concurrency import beside
from plasm.receipts import issue

_PROGRESS_SECONDS: Final = 5.0


@frozen
class Accepted:
    """A job that was accepted: of whom, under which id, with what it was offered with, and what it runs on."""

    job_id: str
    peer: PeerId
    offer: Offer
    runtime: OfferedRuntime


@frozen
class Ended:
    """A job that has ended, and its receipt."""

    report: Report
    receipt: bytes


class Runner:
    """Runs jobs with what the node has, and signs their receipts."""

    def __init__(self, resources: Resources) -> None:
        self._signer = resources.signer
        self._peer = resources.peer
        self._store = resources.ledger.store
        self._extensions = resources.extensions
        self._threads = anyio.CapacityLimiter(math.inf)

    async def run(self, accepted: Accepted, job: Job, channel: MessageChannel) -> Ended | None:
        """What came of the job; ``None`` where the client went away.

        Raises:
            ProtocolViolation: the client does not keep to the protocol.
            PlasmError: the job cannot be run, or its receipt cannot be kept.
        """
        job_id, offer, runtime = accepted.job_id, accepted.offer, accepted.runtime
        self._extensions.job_started(job_id)
        with Cancellation() as cancellation, JobInput(offer.stdin) as stdin:
            sink = SendingSink(channel)
            phase = Phase.QUEUED

            def started() -> None:
                nonlocal phase
                phase = Phase.RUNNING

            def run() -> Ended | None:
                report = runtime.executor.run(
                    job, sink, stdin=stdin.read_end, cancellation=cancellation, started=started
                )
                self._extensions.job_finished(job_id, report.outcome)
                if stdin.lost or stdin.violation is not None or sink.lost:
                    return None
                return Ended(report, self._sign(accepted, job, report))

            runtime.load.jobs += 1
            try:
                ended = await beside(
                    lambda: anyio.to_thread.run_sync(run, limiter=self._threads),
                    lambda: _hear(channel, stdin, cancellation),
                    lambda: _tell_progress(channel, lambda: phase),
                )
            finally:
                runtime.load.jobs -= 1
            if stdin.violation is not None:
                raise stdin.violation
            if ended is not None:
                runtime.load.took(ended.report.usage.wall_time_us / 1_000_000)
            return ended

    def _sign(self, accepted: Accepted, job: Job, report: Report) -> bytes:
        """The receipt of a job that has ended, written down before anybody gets it."""
        job_id, nonce = accepted.job_id, accepted.offer.nonce
        receipt = issue(claims(job, report, node=self._peer, job_id=job_id, nonce=nonce), self._signer).to_json()
        self._store.finished(job_id, str(accepted.peer), report.finished_us, report.outcome, receipt)
        self._extensions.receipt_issued(job_id, receipt)
        return receipt


async def _hear(channel: MessageChannel, stdin: JobInput, cancellation: Cancellation) -> None:
    """Pass the client's input on, and cancel its job when it goes."""
    try:
        message: Message | None
        while (message := await channel.receive()) is not None:
            if isinstance(message, StdinChunk):
                await stdin.write(message.data)
            elif isinstance(message, StdinEnd):
                stdin.end()
    except ProtocolViolation as violation:
        stdin.violation = violation
        cancellation.cancel()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        stdin.lost = True
        cancellation.cancel()
    except anyio.get_cancelled_exc_class():
        cancellation.cancel()  # the node stops at once, or the job has ended already
        raise


async def _tell_progress(channel: MessageChannel, phase: Callable[[], Phase]) -> None:
    """Say every now and then that the job goes on."""
    accepted = time.monotonic()
    while True:
        await anyio.sleep(_PROGRESS_SECONDS)
        elapsed = int((time.monotonic() - accepted) * 1000)
        try:
            await channel.send(Progress(phase(), elapsed))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
