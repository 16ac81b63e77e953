"""Finding peers: those that are named first, then those that are found, each of them once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from plasm.contracts import PeerRecord
from plasm.model import PeerId
from plasm.ops.concurrency import task_group


class Finder(Protocol):
    """What finds peers: a discovery, or what else knows of some."""

    def find(self, capability: str | None) -> AsyncIterator[PeerRecord]:
        """See :meth:`plasm.contracts.Discovery.find`."""
        ...


@asynccontextmanager
async def search(
    named: Sequence[PeerRecord],
    finders: Sequence[Finder],
    keys: Sequence[str | None],
    seconds: float,
    last: Sequence[PeerRecord] = (),
) -> AsyncIterator[AsyncIterator[PeerRecord]]:
    """Candidates, as they are found; finders are given up after ``seconds``, and then come the ``last``.

    A context, so that nothing goes on searching when the caller has found what it wanted.
    """
    async with task_group() as tasks:
        into, out = anyio.create_memory_object_stream[PeerRecord](64)
        async with into:
            for finder in finders:
                for key in keys:
                    tasks.start_soon(_find, finder, key, into.clone(), seconds)
        async with out:
            yield _once(named, out, last)
        tasks.cancel_scope.cancel()


async def _find(finder: Finder, key: str | None, into: MemoryObjectSendStream[PeerRecord], seconds: float) -> None:
    async with into:
        with anyio.move_on_after(seconds):
            async for record in finder.find(key):
                await into.send(record)


async def _once(
    named: Sequence[PeerRecord], found: AsyncIterator[PeerRecord], last: Sequence[PeerRecord]
) -> AsyncIterator[PeerRecord]:
    seen: set[PeerId] = set()
    for record in named:
        seen.add(record.peer)
        yield record
    async for record in found:
        if record.peer not in seen:
            seen.add(record.peer)
            yield record
    for record in last:
        if record.peer not in seen:
            yield record
