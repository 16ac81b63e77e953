"""Going back to peers that this node has met, so that after a restart it need not wait until they are found again."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectSendStream

from plasm.contracts import PeerRecord, Transport
from plasm.errors import PlasmError, PluginError
from plasm.mesh.capability import capability_key
from plasm.model import PeerId
from plasm.node.peers import KnownPeers
from plasm.node.store import PeerRow

_MAX_CONSIDERED: Final = 64
_MAX_VISITS: Final = 16

_log = logging.getLogger(__name__)


class Revisiting:
    """Finds peers among the ``known`` ones: those that answer now at an address where they answered before, and that
    are not ``denied``.  They are dialled in tasks of ``tasks``.

    Nobody waits for those that do not answer, nor are they candidates: what stands in the store may be long out of
    date, and a discovery may know better.
    """

    def __init__(
        self,
        known: KnownPeers,
        transport: Transport,
        tasks: anyio.abc.TaskGroup,
        denied: Callable[[], Collection[str]],
    ) -> None:
        self._known = known
        self._transport = transport
        self._tasks = tasks
        self._denied = denied

    async def find(self, capability: str | None) -> AsyncIterator[PeerRecord]:
        """Of the :data:`_MAX_CONSIDERED` seen last those that offered the capability, :data:`_MAX_VISITS` at most; each
        when it has answered."""
        into, out = anyio.create_memory_object_stream[PeerRecord](math.inf)
        with into:
            for record in await self._to_visit(capability):
                self._tasks.start_soon(self._visit, record, into.clone())
        with out:
            async for record in out:
                yield record

    async def _to_visit(self, capability: str | None) -> list[PeerRecord]:
        denied = self._denied()
        reached = await self._known.latest_reached(_MAX_CONSIDERED)
        rows = [row for row in reached if row.peer not in denied]
        suitable = [row for row in rows if capability is None or capability in _offered(row)]
        return [PeerRecord(PeerId.parse(row.peer), row.addresses) for row in suitable[:_MAX_VISITS]]

    async def _visit(self, record: PeerRecord, into: MemoryObjectSendStream[PeerRecord]) -> None:
        with into:
            try:
                await self._transport.dial(record)
                into.send_nowait(record)
            except Exception as error:
                if isinstance(error, (PlasmError, anyio.BrokenResourceError)) and not isinstance(error, PluginError):
                    return  # it does not answer, or who searched has found what it wanted
                # The tasks are the node's: a transport's mistake about one peer must not end it.
                _log.warning("dialling the known peer %s failed", record.peer, exc_info=True)


def _offered(row: PeerRow) -> set[str]:
    return {capability_key(row.arch or "", runtime.partition(" ")[0]) for runtime in row.runtimes}
