"""Running a job on a peer: offer it, send what it needs, take its output, believe nothing that does not verify.

A result is accepted only if its receipt holds, was signed by the very peer that was dialled, carries the manifest and
the nonce that were sent to it, and names the bytes that came as its output.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable
from typing import Final, cast

import anyio
import anyio.to_thread

from plasm.contracts import Connection
from plasm.contracts.runtime import Stream
from plasm.errors import (
    OutputUnwanted,
    PeerRejected,
    PeerUnreachable,
    ProtocolViolation,
    QueueFull,
    by_code,
)
from plasm.jobs.input import ReplayableInput
from plasm.jobs.job import Job
from plasm.jobs.sinks import AsyncOutputSink
from plasm.mesh import INFO_PROTOCOL, JOB_PROTOCOL
from plasm.mesh.capability import CapabilityRecord, verify
from plasm.mesh.job_stream import JobStream, Role
from plasm.mesh.messages import (
    MAX_CHUNK_BYTES,
    Accept,
    Failure,
    ModuleChunk,
    Offer,
    OutputChunk,
    Progress,
    Reject,
    Result,
    StdinChunk,
    StdinEnd,
)
from plasm.model import PeerId, Sha256
from plasm.model.manifest import canonical
from plasm.ops.concurrency import beside
from plasm.streams import JobChannel, receive_only
from plasm.submission.acceptance import Delivered, accept

_ANSWER_SECONDS: Final = 30.0
_SILENCE_SECONDS: Final = 30.0  # a node says every five seconds that a job goes on


async def identify(connection: Connection, now: float) -> CapabilityRecord:
    """What the peer at the other end offers, in its own signed words.

    Raises:
        PeerError: it does not say, or not in time.
        VerificationFailed: its record does not hold.
    """
    stream = await connection.open_stream(INFO_PROTOCOL)
    try:
        with anyio.fail_after(_ANSWER_SECONDS):
            await stream.send_eof()
            return verify(await receive_only(stream), connection.peer, now)
    except (anyio.BrokenResourceError, TimeoutError):
        raise PeerUnreachable(f"{connection.peer} does not say what it offers") from None
    except BaseException:
        # Also when we were cancelled: an unanswered stream would go on counting against the connection.
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await stream.reset()
        raise


async def submit(
    connection: Connection,
    job: Job,
    sink: AsyncOutputSink,
    *,
    stdin: ReplayableInput | None = None,
    nonce: str | None = None,
    accepted: Callable[[int], Awaitable[None]] | None = None,
) -> Delivered:
    """Run ``job`` on the peer at the other end of ``connection``, its output going to ``sink``.

    ``nonce`` is for a client that verifies once more itself; ``accepted`` is called when the peer has taken the
    job, with the milliseconds after which it says that the job begins to run, 0 where at once.
    Cancelling the call cancels the job.

    Raises:
        PeerRejected: the peer does not take the job; nothing has run.
        PeerLied: the result does not verify; the output is not to be relied on.
        PeerError: the peer went away, failed, or does not keep to the protocol.
        PlasmError: what the peer says that is wrong with the job itself, in the class of its code.
    """
    job.check_portable()
    stream = await connection.open_stream(JOB_PROTOCOL)
    machine = JobStream(Role.CLIENT, max_stdin=2**63, max_output=job.manifest.limits.output)
    exchange = _Exchange(connection.peer, JobChannel(stream, machine), job, sink, stdin, nonce, accepted)
    try:
        delivered = await exchange.run()
        await stream.send_eof()
    except BaseException as error:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await stream.reset()
        if isinstance(error, anyio.BrokenResourceError):
            raise PeerUnreachable(f"{connection.peer} went away before the job ended") from None
        raise
    return delivered


class _Exchange:
    """One job's way over one stream; used once."""

    def __init__(
        self,
        peer: PeerId,
        channel: JobChannel,
        job: Job,
        sink: AsyncOutputSink,
        stdin: ReplayableInput | None,
        nonce: str | None,
        accepted: Callable[[int], Awaitable[None]] | None,
    ) -> None:
        self._peer = peer
        self._channel = channel
        self._job = job
        self._sink = sink
        self._stdin = stdin
        self._accepted = accepted
        self._nonce = nonce or os.urandom(32).hex()
        self._hashes = {"stdout": hashlib.sha256(), "stderr": hashlib.sha256()}

    async def run(self) -> Delivered:
        manifest, module = self._job.manifest, self._job.module
        await self._channel.send(
            Offer(canonical(manifest), module.digest, len(module.data), self._nonce, stdin=self._stdin is not None)
        )
        answer = await self._next(_ANSWER_SECONDS)
        if isinstance(answer, Reject):
            raise PeerRejected(f"{self._peer} does not take the job: {answer.reason}", hint=answer.detail)
        if not isinstance(answer, Accept):
            raise ProtocolViolation(f"{self._peer} answers an offer with {answer.TYPE!r}")
        if self._accepted is not None:
            await self._accepted(answer.starts_in_ms)
        module_wanted = answer.module_wanted
        result = await beside(self._receive_all, lambda: self._send_all(module_wanted))
        # All input is digested, which may be large; the thread is our own, for others may be waiting for terminals.
        thread = anyio.CapacityLimiter(1)
        return await anyio.to_thread.run_sync(self._verified, result.receipt, limiter=thread)

    async def _send_all(self, module_wanted: bool) -> None:
        data = self._job.module.data
        try:
            if module_wanted:
                for start in range(0, len(data), MAX_CHUNK_BYTES):
                    await self._channel.send(ModuleChunk(data[start : start + MAX_CHUNK_BYTES]))
            if self._stdin is not None:
                async for part in self._stdin.chunks(MAX_CHUNK_BYTES):
                    await self._channel.send(StdinChunk(part))
                await self._channel.send(StdinEnd())
        except (anyio.BrokenResourceError, ProtocolViolation):
            pass  # the peer has ended the job, or is gone: the receiving side hears of it

    async def _receive_all(self) -> Result:
        while True:
            message = await self._next(_SILENCE_SECONDS)
            if isinstance(message, OutputChunk):
                await self._take(message.stream, message.data)
            elif isinstance(message, Result):
                return message
            elif isinstance(message, Failure):
                kind = by_code(message.code)
                if kind is QueueFull:  # others came before us while it accepted; nothing has run
                    raise PeerRejected(f"{self._peer} does not take the job: {message.code}", hint=message.message)
                raise kind(f"{self._peer}: {message.message or message.code}")
            elif not isinstance(message, Progress):
                raise ProtocolViolation(f"{self._peer} sends {message.TYPE!r} in the middle of a job")

    async def _next(self, seconds: float) -> Answer:
        try:
            with anyio.fail_after(seconds):
                message = await self._channel.receive()
        except TimeoutError:
            raise PeerUnreachable(f"{self._peer} has said nothing for {seconds:.0f} s") from None
        if message is None:
            raise ProtocolViolation(f"{self._peer} ended the stream before the job")
        return cast("Answer", message)

    async def _take(self, stream: Stream, data: bytes) -> None:
        self._hashes[stream].update(data)
        if not await self._sink.write(stream, data):
            raise OutputUnwanted("the output is not wanted any more")

    def _verified(self, receipt: bytes) -> Delivered:
        return accept(
            receipt,
            peer=self._peer,
            job=self._job,
            nonce=self._nonce,
            sent=self._stdin.digest if self._stdin is not None else None,
            output={name: Sha256(hashed.hexdigest()) for name, hashed in self._hashes.items()},
        )


Answer = Accept | Reject | OutputChunk | Progress | Result | Failure
