"""A client of the mesh: a transport and discoveries of its own, and jobs handed to peers over them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType

from plasm.config import Config
from plasm.contracts import Discovery, PeerRecord, Signer
from plasm.control.lock import node_runs
from plasm.model import PeerId
from plasm.plugins import PluginHost
from plasm.signatures import EphemeralSigner
from plasm.submission.submitter import Submitter


class MeshClient:
    """Finds peers by ``discoveries`` (plugin names) or among ``peers``, and runs jobs on them.

    An asynchronous context manager, on anyio with trio underneath, that gives a
    :class:`~plasm.submission.submitter.Submitter`.
    """

    def __init__(
        self,
        config: Config,
        *,
        peers: Sequence[PeerRecord] = (),
        discoveries: Sequence[str] = (),
        transport: str | None = None,
        signer: str | None = None,
    ) -> None:
        self._host = PluginHost(config)
        self._named = tuple(peers)
        self._discovery_names = tuple(discoveries)
        self._transport_name = transport
        self._signer_name = signer

    async def __aenter__(self) -> Submitter:
        signer = self._identity()
        async with AsyncExitStack() as network:
            transport = await network.enter_async_context(self._host.transport(signer, self._transport_name))
            discoveries: list[Discovery] = []
            for name in self._discovery_names:
                discovery = self._host.discovery(name, PeerId(signer.public_key), transport)
                discoveries.append(await network.enter_async_context(discovery))
            self._network = network.pop_all()
        return Submitter(transport, discoveries, self._named)

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
