"""Handing a job that came by the control socket to a peer, over the connections that this node has anyway."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final

import anyio

from plasm.contracts.runtime import Stream
from plasm.control.job import ControlJob, read_number, read_offer, read_peers, read_requirements, said
from plasm.control.server import ControlConnection, Fields
from plasm.jobs.input import ReplayableInput
from plasm.jobs.job import Job
from plasm.mesh.capability import CapabilityRecord
from plasm.mesh.messages import OutputChunk, Result, StdinChunk, StdinEnd
from plasm.model import PeerId
from plasm.model.documents import manifest_from_json
from plasm.node.job_io import JobInput
from plasm.node.modules import Modules
from plasm.ops.concurrency import beside
from plasm.submission.submitter import Submitter

_MAX_ATTEMPTS: Final = 100
_MAX_SECONDS: Final = 3600.0
SEARCH_SECONDS: Final = 2.0  # after which this node runs the job itself


class Relay:
    """Answers the request ``submit``."""

    def __init__(self, submitter: Submitter, modules: Modules) -> None:
        self._submitter = submitter
        self._modules = modules

    async def submit(self, connection: ControlConnection, fields: Fields) -> None:
        """Have a peer run the job that ``fields`` describe; everything is told as it comes.

        Raises:
            InvalidInput: they describe none.
            PlasmError: no peer takes it, or what went wrong on the last one.
        """
        offer = read_offer(fields)
        requirements = read_requirements(fields, offer)
        submitter = self._submitter.also(read_peers(fields))
        channel = ControlJob(connection)
        module = await self._modules.find(offer.module)
        if module is None:
            await connection.send("send", "module")
            module = await self._modules.receive(channel, offer)
        job = Job(manifest_from_json(offer.manifest, offer.module), module)
        receiver = _Telling(connection)
        with JobInput(offer.stdin) as given:
            stdin = ReplayableInput(given.read_end) if given.read_end is not None else None
            delivered = await beside(
                partial(
                    submitter.run,
                    job,
                    receiver,
                    requirements,
                    stdin=stdin,
                    attempts=read_number(fields, "attempts", 1, _MAX_ATTEMPTS),
                    seconds=read_number(fields, "seconds", SEARCH_SECONDS, _MAX_SECONDS),
                    nonce=offer.nonce,
                    chosen=receiver.chosen,
                ),
                partial(_hear, channel, given),
            )
        for kind, value in said(Result(delivered.receipt), delivered.peer):
            await connection.send(kind, value)


class _Telling:
    """Tells the owner which peer has taken the job, and passes its output on."""

    def __init__(self, connection: ControlConnection) -> None:
        self._connection = connection
        self._chosen: PeerId | None = None

    async def chosen(self, record: CapabilityRecord, starts_in_ms: int) -> None:
        """Tell of the peer that has taken the job; of another one when that fails."""
        self._chosen = record.peer
        with suppress(
            anyio.BrokenResourceError
        ):  # that the owner has gone is heard elsewhere, and not the peer's doing
            accepted = {"node": str(record.peer), "starts_in_ms": starts_in_ms}
            await self._connection.send("accepted", accepted)

    async def write(self, stream: Stream, data: bytes) -> bool:
        try:
            for kind, value in said(OutputChunk(stream, data), self._chosen):
                await self._connection.send(kind, value)
        except anyio.BrokenResourceError:
            return False
        return True


async def _hear(channel: ControlJob, given: JobInput) -> None:
    """Pass the owner's input on; when the owner goes, so does the job."""
    while True:
        message = await channel.receive()
        if isinstance(message, StdinChunk):
            await given.write(message.data)
        elif isinstance(message, StdinEnd):
            given.end()
