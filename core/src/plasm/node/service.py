"""Serving one job stream: the offer, whether it is taken, and what the client is told of its job."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from plasm.contracts import ByteStream, Connection
from plasm.errors import InvalidInput, PeerError, PlasmError, ProtocolViolation, UnwritableOutput
from plasm.jobs.job import Job
from plasm.mesh.job_stream import JobStream, Role
from plasm.mesh.messages import Accept, Failure, Offer, Reject, RejectReason, Result
from plasm.model import Feature, LimitKind, Manifest, PeerId
from plasm.model.documents import manifest_from_json
from plasm.model.manifest import canonical
from plasm.node.job_io import MessageChannel
from plasm.node.job_run import Accepted, Runner
from plasm.node.lifecycle import Lifecycle
from plasm.node.policy import Admission, Policy, refusal
from plasm.node.resources import OfferedRuntime, Resources
from plasm.node.store import JobState, Store
from plasm.node.tally import Tally
from plasm.ops.log import Event
from plasm.streams import JobChannel

_log = logging.getLogger(__name__)

_OFFER_SECONDS: Final = 10.0
_LEAVE_SECONDS: Final = 5.0
_LOGGED_TRACE_CHARACTERS: Final = 1000


class JobService:
    """Takes job streams one by one, by ``policy`` and as long as ``life`` lets it.  ``tally`` has what happened so
    far."""

    def __init__(self, resources: Resources, policy: Policy, life: Lifecycle) -> None:
        self.policy = policy
        self._admission = Admission(policy)
        self._life = life
        self._runtimes = resources.runtimes
        self._peer = resources.peer
        self._modules = resources.modules
        self._ledger = resources.ledger
        self._extensions = resources.extensions
        self._log = resources.log
        self._runner = Runner(resources)
        self.tally = Tally()

    def use(self, policy: Policy) -> None:
        """Decide by ``policy`` from now on; jobs that have been accepted go on as they were."""
        self.policy = policy
        self._admission.use(policy)

    async def serve(self, connection: Connection, stream: ByteStream) -> None:
        """Serve one stream of a peer to its end."""
        peer = connection.peer
        turned_away = self._admission.begin(peer, time.monotonic())
        machine = JobStream(Role.NODE, max_stdin=self.policy.stdin_bytes, max_output=2**63)
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
        channel: MessageChannel,
        turned_away: Reject | None = None,
        leave: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Answer one offer; ``leave`` is still part of the job for those who wait for its end."""
        with anyio.fail_after(_OFFER_SECONDS):
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
        with self._life.job():
            await self._accepted(peer, channel, offer, *decided)
            if leave is not None:
                await leave()

    async def _reject(self, peer: PeerId, channel: MessageChannel, reject: Reject, detail: object) -> None:
        self.tally.rejections[reject.reason] += 1
        self._log.event(Event.REJECTED, peer=peer, reason=reject.reason, detail=detail)
        await channel.send(reject)

    def _decide(self, offer: Offer) -> Reject | tuple[Manifest, OfferedRuntime]:
        """Why this offer is not taken, or what will run on what."""
        if self._life.draining:
            return Reject(RejectReason.DRAINING, "this node is about to stop")
        try:
            manifest = _manifest(offer)
        except PlasmError as error:
            return Reject(RejectReason.INVALID_REQUEST, str(error)[:1000])
        refused = refusal(self.policy, manifest.limits, offer.module_size)
        if refused is not None:
            return refused
        runtime = self._runtime(manifest)
        if runtime is None:
            offered = ", ".join(self._runtimes)
            return Reject(RejectReason.RUNTIME_NOT_SUPPORTED, f"{manifest.runtime} is not here; there is: {offered}")
        if manifest.limits.fuel is not None and LimitKind.FUEL not in runtime.description.enforces:
            return Reject(RejectReason.LIMIT_NOT_ENFORCEABLE, f"{runtime.description.name} cannot limit fuel")
        if manifest.deterministic and Feature.DETERMINISM not in runtime.description.provides:
            return Reject(RejectReason.RUNTIME_NOT_SUPPORTED, f"{runtime.description.name} is not deterministic")
        if not runtime.executor.has_room():
            return Reject(RejectReason.QUEUE_FULL, "as many jobs are waiting as may wait")
        return manifest, runtime

    def _runtime(self, manifest: Manifest) -> OfferedRuntime | None:
        if manifest.runtime is not None:
            return self._runtimes.get(manifest.runtime)
        return next(iter(self._runtimes.values()))

    async def _accepted(
        self, peer: PeerId, channel: MessageChannel, offer: Offer, manifest: Manifest, runtime: OfferedRuntime
    ) -> None:
        job_id = os.urandom(16).hex()
        module = await self._modules.find(offer.module)
        try:
            given = peer != self._peer
            await self._ledger.write(Store.accepted, job_id, str(peer), offer.module, given=given)
        except UnwritableOutput as error:
            reject = Reject(RejectReason.INSUFFICIENT_RESOURCES, "this node cannot keep receipts now; see its log")
            await self._reject(peer, channel, reject, error)
            return
        self._log.event(Event.ACCEPTED, peer=peer, job=job_id, module=offer.module, cached=module is not None)
        state, ended = JobState.GONE, None
        try:
            await channel.send(Accept(module is None, runtime.load.starts_in_ms()))
            if module is None:
                module = await self._modules.receive(channel, offer)
            accepted = Accepted(job_id, peer, offer, runtime)
            ended = await self._runner.run(accepted, Job(manifest, module), channel)
            state = JobState.GONE if ended is None else JobState.FINISHED
        except (PlasmError, OSError) as error:
            if isinstance(error, ProtocolViolation | TimeoutError):
                raise
            state = JobState.FAILED
            code = error.code if isinstance(error, PlasmError) else PeerError.code
            trace = _tail(error.trace) if isinstance(error, PlasmError) else None
            self._log.event(Event.FAILED, peer=peer, job=job_id, code=code, detail=error, trace=trace)
            await channel.send(_failure(error))
            return
        finally:
            self.tally.ended(state if ended is None else ended.report.outcome.kind)
            if state != JobState.FINISHED:
                await self._write_down_end(job_id, state)
        if ended is None:
            self._log.event(Event.GONE, peer=peer, job=job_id)
            return
        outcome, wall_time_us = ended.report.outcome, ended.report.usage.wall_time_us
        self.tally.ran(wall_time_us / 1_000_000)
        trace = _tail(ended.report.trace)
        self._log.event(Event.FINISHED, peer=peer, job=job_id, outcome=outcome, wall_time_us=wall_time_us, trace=trace)
        await channel.send(Result(ended.receipt))

    async def _write_down_end(self, job_id: str, state: JobState) -> None:
        """Note that a job ended without a receipt; where that cannot be, the next start takes it for lost."""
        try:
            with anyio.CancelScope(shield=True):  # also where the node is about to end
                await self._ledger.write(Store.ended, job_id, state)
        except UnwritableOutput as error:
            _log.warning("the end of the job %s is not written down: %s", job_id, error)

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


async def _take_leave(channel: MessageChannel, stream: ByteStream) -> None:
    """Wait until the client has read everything, for what is under way may be lost when we stop."""
    await stream.send_eof()
    with anyio.move_on_after(_LEAVE_SECONDS):
        while await channel.receive() is not None:
            pass
