"""One job after another to whichever peer takes it and delivers what verifies."""

from __future__ import annotations

import platform
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

from attrs import frozen

from plasm.contracts import Connection, PeerRecord, Transport
from plasm.errors import (
    InvalidInput,
    OutputUnwanted,
    PeerError,
    PeerNotFound,
    PeerRejected,
    PlasmError,
    VerificationFailed,
    WorkerFailed,
)
from plasm.jobs.input import ReplayableInput
from plasm.jobs.job import Job
from plasm.jobs.sinks import AsyncOutputSink, HeldOutput
from plasm.mesh.capability import ARCHITECTURES, CapabilityRecord, Requirements, capability_key
from plasm.model import PeerId
from plasm.ops.concurrency import task_group
from plasm.submission.acceptance import Delivered
from plasm.submission.exchange import identify, submit
from plasm.submission.search import Finder, search

SEARCH_SECONDS: Final = 10.0


@frozen
class Candidate:
    """A peer that was ``found`` and has said what it offers, and how long its answer took, in seconds."""

    found: PeerRecord
    connection: Connection
    record: CapabilityRecord
    latency: float


class Witness(Protocol):
    """Is told how peers do by us."""

    async def answered(self, candidate: Candidate) -> None:
        """A peer said what it offers."""
        ...

    async def delivered(self, peer: PeerId) -> None:
        """A peer ran a job, and what it delivered verifies."""
        ...

    async def failed(self, peer: PeerId) -> None:
        """A peer did not deliver a job that it did not reject."""
        ...


class NoWitness:
    """Keeps nothing."""

    async def answered(self, candidate: Candidate) -> None:
        """See :class:`Witness`."""

    async def delivered(self, peer: PeerId) -> None:
        """See :class:`Witness`."""

    async def failed(self, peer: PeerId) -> None:
        """See :class:`Witness`."""


class Submitter:
    """Hands jobs to peers that are ``named`` or that ``finders`` find, over ``transport``; where none takes a job, to
    the node itself, by the connection ``own``.  ``witness`` is told how it goes.

    ``runtimes`` are the names of runtimes that nodes are looked for by where a job asks for none; without any, all
    nodes are looked for.
    """

    def __init__(
        self,
        transport: Transport,
        finders: Sequence[Finder],
        named: Sequence[PeerRecord] = (),
        own: Connection | None = None,
        witness: Witness | None = None,
        *,
        runtimes: Sequence[str] = (),
    ) -> None:
        self._transport = transport
        self._finders = finders
        self._named = tuple(named)
        self._own = own
        self._witness = witness or NoWitness()
        self._runtimes = tuple(runtimes)

    def also(self, named: Sequence[PeerRecord]) -> Submitter:
        """The same, that asks these peers and no others, where there are any."""
        if not named:
            return self
        return Submitter(self._transport, (), named, self._own, self._witness, runtimes=self._runtimes)

    async def run(
        self,
        job: Job,
        sink: AsyncOutputSink,
        requirements: Requirements,
        *,
        stdin: ReplayableInput | None = None,
        attempts: int = 1,
        seconds: float = SEARCH_SECONDS,
        nonce: str | None = None,
        chosen: Callable[[CapabilityRecord, int], Awaitable[None]] | None = None,
    ) -> Delivered:
        """Run ``job`` on the first peer that takes it; after a failure on another one, ``attempts`` in all.

        A peer that does not take the job is no attempt.  With more than one attempt the output is held back until it
        verifies, for what a failed attempt wrote must not be seen.  ``chosen`` is told
        who has taken the job, and in about how many milliseconds it begins to run there.

        Raises:
            PeerNotFound: nobody takes it; the message says who did not and why.
            PlasmError: what went wrong in the last attempt.
        """
        size = len(job.module.data)
        refusals: list[str] = []
        failure: PlasmError | None = None
        held = attempts > 1
        last = [PeerRecord(self._own.peer)] if self._own is not None and not self._named else []
        async with search(self._named, self._finders, self._keys(requirements), seconds, last) as candidates:
            async for found in candidates:
                try:
                    candidate = await self._ask(found, size)
                    unmet = requirements.unmet(candidate.record)
                    if unmet is not None:
                        refusals.append(f"{found.peer}: {unmet}")
                        continue
                    take = partial(self._hand_over, candidate.connection, job, stdin=stdin, nonce=nonce)
                    if chosen is not None:
                        take = partial(take, accepted=partial(chosen, candidate.record))
                    if not held:
                        return await take(sink)
                    with HeldOutput() as output:
                        delivered = await take(output)
                        await output.release(sink)
                    return delivered
                except PeerRejected as error:
                    refusals.append(str(error))
                except InvalidInput:
                    raise
                except PlasmError as error:
                    refusals.append(str(error))
                    failure, attempts = error, attempts - 1
                    if not attempts:
                        break
        if failure is not None:
            raise failure
        raise _nobody(refusals)

    async def peers(self, tell: Callable[[Candidate | PlasmError], None], seconds: float = SEARCH_SECONDS) -> None:
        """Tell of everybody who answers, and of everybody who was found and does not; ``seconds`` are for finding."""

        async def ask(found: PeerRecord) -> None:
            try:
                tell(await self._ask(found, 0))
            except PlasmError as error:
                tell(error)

        async with (
            task_group() as tasks,
            search(self._named, self._finders, [None], seconds) as candidates,
        ):
            async for found in candidates:
                tasks.start_soon(ask, found)

    def _keys(self, requirements: Requirements) -> Sequence[str | None]:
        """What peers that meet the requirements may be found by; ``None`` finds any peer."""
        architectures = (requirements.arch,) if requirements.arch else {*ARCHITECTURES, platform.machine()}
        runtimes = (requirements.runtime,) if requirements.runtime else self._runtimes
        return [capability_key(arch, runtime) for arch in architectures for runtime in runtimes] or [None]

    async def _ask(self, found: PeerRecord, payload: int) -> Candidate:
        if self._own is not None and found.peer == self._own.peer:
            connection = self._own
        else:
            connection = await self._transport.dial(found, payload=payload)
        asked = time.monotonic()
        record = await identify(connection, time.time())
        candidate = Candidate(found, connection, record, time.monotonic() - asked)
        await self._witness.answered(candidate)
        return candidate

    async def _hand_over(
        self,
        connection: Connection,
        job: Job,
        sink: AsyncOutputSink,
        *,
        stdin: ReplayableInput | None,
        nonce: str | None,
        accepted: Callable[[int], Awaitable[None]] | None = None,
    ) -> Delivered:
        """:func:`submit`, with the witness told of its end; that the job or its owner is to blame is no matter of the
        peer's."""
        try:
            delivered = await submit(connection, job, sink, stdin=stdin, nonce=nonce, accepted=accepted)
        except (PeerRejected, OutputUnwanted):
            raise
        except (PeerError, VerificationFailed, WorkerFailed):
            await self._witness.failed(connection.peer)
            raise
        await self._witness.delivered(connection.peer)
        return delivered


def _nobody(refusals: Sequence[str]) -> PeerNotFound:
    if refusals:
        return PeerNotFound("no peer takes the job: " + "; ".join(refusals[:8]), hint="see: plasm peers")
    return PeerNotFound("no peer was found", hint="start one with plasm start, or name one with --peer")
