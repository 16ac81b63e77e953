"""Handing a job that came by the control socket to a peer, over the connections that this node has anyway."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread

from plasm.artifacts.store import ModuleStore
from plasm.contracts.runtime import Stream
from plasm.control.job import ControlJob, read_offer, read_peers, said
from plasm.control.server import ControlConnection, Fields
from plasm.errors import InvalidInput
from plasm.jobs.input import ReplayableInput
from plasm.jobs.job import Job
from plasm.mesh.capability import CapabilityRecord, Requirements
from plasm.mesh.messages import Offer, OutputChunk, Result, StdinChunk, StdinEnd
from plasm.model import PeerId
from plasm.model.documents import manifest_from_json
from plasm.node.job_io import JobInput, receive_module
from plasm.ops.concurrency import beside
from plasm.submission.submitter import Submitter

MAX_ATTEMPTS: Final = 100
MAX_SECONDS: Final = 3600.0
SEARCH_SECONDS: Final = 2.0  # after which this node runs the job itself


class Relay:
    """Answers the request ``submit``."""

    def __init__(self, submitter: Submitter, modules: ModuleStore) -> None:
        self._submitter = submitter
        self._modules = modules

    async def submit(self, connection: ControlConnection, fields: Fields) -> None:
        """Have a peer run the job that ``fields`` describe; everything is told as it comes.

        Raises:
            InvalidInput: they describe none.
            PlasmError: no peer takes it, or what went wrong on the last one.
        """
        offer = read_offer(fields)
        requirements = _requirements(fields, offer)
        submitter = self._submitter.also(read_peers(fields))
        channel = ControlJob(connection)
        module = self._modules.recall(offer.module) or await anyio.to_thread.run_sync(self._modules.get, offer.module)
        if module is None:
            await connection.send("send", "module")
            module = await receive_module(channel, offer, self._modules)
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
                    attempts=read_number(fields, "attempts", 1, MAX_ATTEMPTS),
                    seconds=read_number(fields, "seconds", SEARCH_SECONDS, MAX_SECONDS),
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

    async def chosen(self, record: CapabilityRecord) -> None:
        """Tell of the peer that has taken the job; of another one when that fails."""
        self._chosen = record.peer
        with suppress(
            anyio.BrokenResourceError
        ):  # that the owner has gone is heard elsewhere, and not the peer's doing
            await self._connection.send("accepted", {"node": str(record.peer)})

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


def _requirements(fields: Fields, offer: Offer) -> Requirements:
    asked: dict[str, Any] = fields.get("require") or {}
    if not isinstance(asked, dict) or not asked.keys() <= {"arch", "runtime", "memory"}:
        raise InvalidInput("require may have arch, runtime and memory")
    manifest = manifest_from_json(offer.manifest, offer.module)
    return Requirements.of(
        manifest, arch=asked.get("arch"), runtime=asked.get("runtime"), memory=asked.get("memory") or 0
    )


def read_number(fields: Fields, name: str, default: Any, most: float) -> Any:
    """The number that ``fields`` have under this name.

    Raises:
        InvalidInput: not a number above 0 and up to ``most``.
    """
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise InvalidInput(f"{name} must be a number up to {most:.0f}")
    return value
