"""Serving one job stream: offer, admission, module, execution, receipt.

The stream's own task reads what the client sends; the job runs in a thread, which sends the output and so feels the
client's back-pressure.  A stream that is reset cancels its job.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio
import anyio.to_thread
from attrs import frozen

from plasm.artifacts.store import ModuleStore
from plasm.contracts import ByteStream, Connection, Signer
from plasm.errors import InvalidInput, PeerError, PlasmError, ProtocolViolation, UnwritableOutput
from plasm.execution.parent.executor import Executor
from plasm.execution.parent.replies import RuntimeDescription
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.claims import claims
from plasm.jobs.job import Job
from plasm.jobs.report import Report
from plasm.mesh.job_stream import JobStream, Role
from plasm.mesh.messages import (
    Accept,
    Failure,
    Message,
    Offer,
    Phase,
    Progress,
    Reject,
    RejectReason,
    Result,
    StdinChunk,
    StdinEnd,
)
from plasm.model import Feature, LimitKind, Manifest, PeerId
from plasm.model.documents import manifest_from_json
from plasm.model.manifest import canonical
from plasm.node.extensions import NodeExtensions
from plasm.node.job_io import Channel, JobInput, SendingSink, receive_module
from plasm.node.peers import KnownPeers
from plasm.node.policy import Admission, Policy, refusal
from plasm.node.store import FAILED, FINISHED, GONE, Store
from plasm.node.tally import Tally
from plasm.ops.concurrency import beside
from plasm.ops.log import Event, Log
from plasm.receipts import issue
from plasm.streams import JobChannel

_log = logging.getLogger(__name__)

OFFER_SECONDS: Final = 10.0
PROGRESS_SECONDS: Final = 5.0
LEAVE_SECONDS: Final = 5.0
_LOGGED_TRACE_CHARACTERS: Final = 1000


@frozen
class Engine:
    """A runtime that this node offers."""

    description: RuntimeDescription
    executor: Executor


@frozen
class _Ended:
    """A job that has ended, and its receipt."""

    report: Report
    receipt: bytes


class JobService:
    """Takes job streams one by one; ``running`` counts those that have been accepted and not ended, and ``draining``
    tells whether no more are taken.  ``tally`` has what happened so far."""

    def __init__(
        self,
        policy: Policy,
        engines: Mapping[str, Engine],
        signer: Signer,
        modules: ModuleStore,
        store: Store,
        peers: KnownPeers,
        extensions: NodeExtensions,
        log: Log,
    ) -> None:
        self._policy = policy
        self._admission = Admission(policy)
        self._engines = engines
        self._signer = signer
        self._peer = PeerId(signer.public_key)
        self._modules = modules
        self._store = store
        self._peers = peers
        self._extensions = extensions
        self._log = log
        self._threads = anyio.CapacityLimiter(math.inf)
        self.tally = Tally()
        self.draining = False
        self._idle = anyio.Event()
        self.running = 0

    def use(self, policy: Policy) -> None:
        """Decide by ``policy`` from now on; jobs that have been accepted go on as they were."""
        self._policy = policy
        self._admission.use(policy)

    async def drain(self) -> None:
        """Reject offers from now on; returns when no job is left."""
        self.draining = True
        if self.running:
            await self._idle.wait()

    async def serve(self, connection: Connection, stream: ByteStream) -> None:
        """Serve one stream of a peer to its end."""
        peer = connection.peer
        turned_away = self._admission.begin(peer, time.monotonic())
        machine = JobStream(Role.NODE, max_stdin=self._policy.stdin_bytes, max_output=2**63)
        channel = JobChannel(stream, machine)
        try:
            await self.converse(peer, channel, turned_away, lambda: _take_leave(channel, stream))
            await stream.send_eof()
        except ProtocolViolation as error:
            self._violated(peer, error)
            await stream.reset()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, TimeoutError):
            self._log.event(Event.GONE, peer=peer)
            await stream.reset()
        finally:
            if turned_away is None:
                self._admission.end(peer)

    async def converse(
        self,
        peer: PeerId,
        channel: Channel,
        turned_away: Reject | None = None,
        leave: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Answer one offer; ``leave`` is still part of the job for those who wait for its end."""
        with anyio.fail_after(OFFER_SECONDS):
            offer = await channel.receive()
        if not isinstance(offer, Offer):
            return
        self.tally.offers += 1
        self._log.event(Event.OFFERED, peer=peer, module=offer.module, size=offer.module_size)
        decided = turned_away or self._decide(offer)
        if not isinstance(decided, Reject) and self._extensions.decide:
            said = await self._extensions.refusal(decided[0], peer)
            # Much may have changed meanwhile; nothing does between this decision and the job.
            decided = self._decide(offer) if said is None else Reject(RejectReason.NOT_AUTHORISED, said)
        if isinstance(decided, Reject):
            await self._reject(peer, channel, decided, decided.detail)
            return
        self.running += 1
        try:
            await self._accepted(peer, channel, offer, *decided)
            if leave is not None:
                await leave()
        finally:
            self.running -= 1
            if self.draining and not self.running:
                self._idle.set()

    async def _reject(self, peer: PeerId, channel: Channel, reject: Reject, detail: object) -> None:
        self.tally.rejections[reject.reason] += 1
        self._log.event(Event.REJECTED, peer=peer, reason=reject.reason, detail=detail)
        await channel.send(reject)

    def _decide(self, offer: Offer) -> Reject | tuple[Manifest, Engine]:
        """Why this offer is not taken, or what will run on what."""
        if self.draining:
            return Reject(RejectReason.DRAINING, "this node is about to stop")
        try:
            manifest = _manifest(offer)
        except PlasmError as error:
            return Reject(RejectReason.INVALID_REQUEST, str(error)[:1000])
        refused = refusal(self._policy, manifest.limits, offer.module_size)
        if refused is not None:
            return refused
        engine = self._engine(manifest)
        if engine is None:
            offered = ", ".join(self._engines)
            return Reject(RejectReason.RUNTIME_NOT_SUPPORTED, f"{manifest.runtime} is not here; there is: {offered}")
        if manifest.limits.fuel is not None and LimitKind.FUEL not in engine.description.enforces:
            return Reject(RejectReason.LIMIT_NOT_ENFORCEABLE, f"{engine.description.name} cannot limit fuel")
        if manifest.deterministic and Feature.DETERMINISM not in engine.description.provides:
            return Reject(RejectReason.RUNTIME_NOT_SUPPORTED, f"{engine.description.name} is not deterministic")
        if not engine.executor.has_room():
            return Reject(RejectReason.QUEUE_FULL, "as many jobs are waiting as may wait")
        return manifest, engine

    def _engine(self, manifest: Manifest) -> Engine | None:
        if manifest.runtime is not None:
            return self._engines.get(manifest.runtime)
        return next(iter(self._engines.values()))

    async def _accepted(self, peer: PeerId, channel: Channel, offer: Offer, manifest: Manifest, engine: Engine) -> None:
        job_id = os.urandom(16).hex()
        module = self._modules.recall(offer.module) or await anyio.to_thread.run_sync(self._modules.get, offer.module)
        try:
            self._store.accepted(job_id, str(peer), offer.module)
        except UnwritableOutput as error:
            reject = Reject(RejectReason.INSUFFICIENT_RESOURCES, "this node cannot keep receipts now; see its log")
            await self._reject(peer, channel, reject, error)
            return
        self._peers.gave_job(peer)
        self._log.event(Event.ACCEPTED, peer=peer, job=job_id, module=offer.module, cached=module is not None)
        state, ended = GONE, None
        try:
            await channel.send(Accept(module_wanted=module is None))
            if module is None:
                module = await receive_module(channel, offer, self._modules)
            ended = await self._run(peer, channel, offer, engine.executor, Job(manifest, module), job_id)
            state = GONE if ended is None else FINISHED
        except (PlasmError, OSError) as error:
            if isinstance(error, ProtocolViolation | TimeoutError):
                raise
            state = FAILED
            code = error.code if isinstance(error, PlasmError) else PeerError.code
            trace = _tail(error.trace) if isinstance(error, PlasmError) else None
            self._log.event(Event.FAILED, peer=peer, job=job_id, code=code, detail=error, trace=trace)
            await channel.send(_failure(error))
            return
        finally:
            self.tally.ended(state if ended is None else ended.report.outcome.kind)
            if state != FINISHED:
                self._write_down_end(job_id, state)
        if ended is None:
            self._log.event(Event.GONE, peer=peer, job=job_id)
            return
        outcome, wall_time_us = ended.report.outcome, ended.report.usage.wall_time_us
        self.tally.ran(wall_time_us / 1_000_000)
        trace = _tail(ended.report.trace)
        self._log.event(Event.FINISHED, peer=peer, job=job_id, outcome=outcome, wall_time_us=wall_time_us, trace=trace)
        await channel.send(Result(ended.receipt))

    def _write_down_end(self, job_id: str, state: str) -> None:
        """Note that a job ended without a receipt; where that cannot be, the next start takes it for lost."""
        try:
            self._store.ended(job_id, state)
        except UnwritableOutput as error:
            _log.warning("the end of the job %s is not written down: %s", job_id, error)

    async def _run(
        self, peer: PeerId, channel: Channel, offer: Offer, executor: Executor, job: Job, job_id: str
    ) -> _Ended | None:
        """What came of the job; ``None`` where the client went away."""
        self._extensions.job_started(job_id)
        with Cancellation() as cancellation, JobInput(offer.stdin) as stdin:
            sink = SendingSink(channel)
            phase = Phase.QUEUED

            def started() -> None:
                nonlocal phase
                phase = Phase.RUNNING

            def run() -> _Ended | None:
                report = executor.run(job, sink, stdin=stdin.read_end, cancellation=cancellation, started=started)
                self._extensions.job_finished(job_id, report.outcome)
                if stdin.lost or stdin.violation is not None or sink.lost:
                    return None
                return _Ended(report, self._sign(peer, job, report, job_id, offer.nonce))

            ended = await beside(
                lambda: anyio.to_thread.run_sync(run, limiter=self._threads),
                lambda: _hear(channel, stdin, cancellation),
                lambda: _tell_progress(channel, lambda: phase),
            )
            if stdin.violation is not None:
                raise stdin.violation
            return ended

    def _sign(self, peer: PeerId, job: Job, report: Report, job_id: str, nonce: str) -> bytes:
        """The receipt of a job that has ended, written down before anybody gets it."""
        receipt = issue(claims(job, report, node=self._peer, job_id=job_id, nonce=nonce), self._signer).to_json()
        self._store.finished(job_id, str(peer), report.finished_us, report.outcome, receipt)
        self._extensions.receipt_issued(job_id, receipt)
        return receipt

    def _violated(self, peer: PeerId, error: ProtocolViolation) -> None:
        self.tally.violations += 1
        self._log.event(Event.VIOLATION, peer=peer, detail=error)
        if self._admission.violation(peer, time.monotonic()):
            self.tally.bans += 1
            self._log.event(Event.BANNED, peer=peer)


def _manifest(offer: Offer) -> Manifest:
    """The manifest of ``offer``.

    Raises:
        InvalidInput: none, or one that is not in its canonical form, names another module or has folders.
    """
    manifest = manifest_from_json(offer.manifest, offer.module)
    if manifest.module != offer.module or canonical(manifest) != offer.manifest:
        raise InvalidInput("the manifest is not in its canonical form, or names another module")
    if manifest.invocation.mounts:
        raise InvalidInput("a job that is sent to a peer cannot have folders", hint="pass its input on stdin")
    return manifest


def _tail(trace: str) -> str | None:
    """What the log keeps of a runtime's traceback: its end, where the exception is."""
    return trace[-_LOGGED_TRACE_CHARACTERS:] or None


def _failure(error: PlasmError | OSError) -> Failure:
    """What a client is told; nothing of this node's own files."""
    if isinstance(error, PlasmError) and not isinstance(error, UnwritableOutput):
        return Failure(error.code, str(error)[:1000])
    return Failure(PeerError.code, "this node lacks disk or descriptors to run the job; see its log")


async def _take_leave(channel: Channel, stream: ByteStream) -> None:
    """Wait until the client has read everything, for what is under way may be lost when we stop."""
    await stream.send_eof()
    with anyio.move_on_after(LEAVE_SECONDS):
        while await channel.receive() is not None:
            pass


async def _hear(channel: Channel, stdin: JobInput, cancellation: Cancellation) -> None:
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


async def _tell_progress(channel: Channel, phase: Callable[[], Phase]) -> None:
    """Say every now and then that the job goes on."""
    accepted = time.monotonic()
    while True:
        await anyio.sleep(PROGRESS_SECONDS)
        elapsed = int((time.monotonic() - accepted) * 1000)
        try:
            await channel.send(Progress(phase(), elapsed))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
