"""A client of the mesh: a transport and discoveries of its own, and jobs handed to peers over them."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, nullcontext
from types import TracebackType
from typing import Any

import anyio

from plasm.client.peers import Chosen, Require, ended_by
from plasm.config import Config
from plasm.contracts import Discovery, PeerRecord, Signer
from plasm.control.lock import node_runs
from plasm.errors import JobCancelled
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.input import ReplayableInput
from plasm.jobs.job import Job
from plasm.jobs.sinks import OutputSink, ThreadedSink
from plasm.mesh.capability import CapabilityRecord, Requirements
from plasm.model import PeerId
from plasm.ops.concurrency import beside
from plasm.plugins import PluginHost, PluginKind
from plasm.signatures import EphemeralSigner
from plasm.submission.acceptance import Delivered
from plasm.submission.submitter import SEARCH_SECONDS, Submitter


class MeshClient:
    """Finds peers and has jobs run by them, over a transport of its own.

    :meth:`submit` opens the network for one job and closes it again.  As an asynchronous context manager, on anyio with
    trio underneath, it gives a :class:`~plasm.submission.submitter.Submitter`, which keeps its connections::

        async with MeshClient(peers=[PeerRecord.parse(address)]) as submitter:
            delivered = await submitter.run(job, sink, Requirements.of(job.manifest))

    Args:
        config: the configuration; ``None`` reads that of this machine.
        host: the plugins, where this process has them already; their configuration is used.
        peers: these are asked first.
        discoveries: names of the plugins that find others.
        transport: the name of the transport plugin; ``None`` leaves it to the configuration.
        signer: the name of the signing plugin whose key is the client's identity; ``None`` leaves it to the
            configuration.

    Raises:
        InvalidConfig: the configuration cannot be used.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        host: PluginHost | None = None,
        peers: Sequence[PeerRecord] = (),
        discoveries: Sequence[str] = (),
        transport: str | None = None,
        signer: str | None = None,
    ) -> None:
        self._host = host or PluginHost(config or Config.from_environment(os.environ))
        self._named = tuple(peers)
        self._discovery_names = tuple(discoveries)
        self._transport_name = transport
        self._signer_name = signer

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
        """See :meth:`plasm.client.peers.PeerClient.submit`; not to be called where an event loop runs."""
        job.check_portable()

        async def tell(record: CapabilityRecord, starts_in_ms: int) -> None:
            if chosen is not None:
                chosen(Chosen(record.peer, record.arch, record.version, starts_in_ms))

        async def run(given: ReplayableInput | None) -> Delivered:
            async with self as submitter:
                return await submitter.run(
                    job,
                    ThreadedSink(sink),
                    Requirements.of(job.manifest, **(require or {})),
                    stdin=given,
                    attempts=attempts,
                    seconds=SEARCH_SECONDS if search_seconds is None else search_seconds,
                    chosen=tell,
                )

        async def main(given: ReplayableInput | None) -> Delivered:
            return await beside(lambda: run(given), *_heeding(cancellation))

        with ended_by(cancellation), nullcontext() if stdin is None else ReplayableInput(stdin) as given:
            return anyio.run(main, given, backend="trio")

    async def __aenter__(self) -> Submitter:
        signer = self._identity()
        async with AsyncExitStack() as network:
            transport = await network.enter_async_context(self._host.transport(signer, self._transport_name))
            discoveries: list[Discovery] = []
            for name in self._discovery_names:
                discovery = self._host.discovery(name, PeerId(signer.public_key), transport)
                discoveries.append(await network.enter_async_context(discovery))
            self._network = network.pop_all()
        return Submitter(transport, discoveries, self._named, runtimes=self._host.names(PluginKind.RUNTIME))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._network.__aexit__(kind, error, trace)
        except BaseExceptionGroup:
            # What was raised in the block goes on as it is, whatever a plugin's task group wraps it in.
            if error is None:
                raise

    def _identity(self) -> Signer:
        """This user's key; where a node of this user's is running with it, one for now, for no peer talks to itself."""
        if node_runs(self._host.config.state_dir):
            return EphemeralSigner()
        return self._host.signer_made_if_missing(self._signer_name)[0]


def _heeding(cancellation: Cancellation | None) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """What ends a job when ``cancellation`` is requested."""
    if cancellation is None:
        return []

    async def heed() -> None:
        await anyio.wait_readable(cancellation.descriptor)
        raise JobCancelled("the job was cancelled before its result came")

    return [heed]
