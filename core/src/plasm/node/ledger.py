"""The store for the event loop, which waits for no disk: every call runs in a thread, long lists come in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

import anyio
import anyio.to_thread

from plasm.node.store import Store

_READERS: Final = 4

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row")


class ReadPage(Protocol[Row]):
    """Reads up to ``limit`` rows, newest first, from the one after ``after``."""

    def __call__(self, store: Store, limit: int, after: Row | None = None, /) -> list[Row]: ...


class Ledger:
    """What ``store`` keeps, asked in threads: one that writes and a few that read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._writing = anyio.CapacityLimiter(1)
        self._reading = anyio.CapacityLimiter(_READERS)

    async def write(self, call: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``call``, a method of :class:`Store` that writes, returns.  What was begun is finished, whatever becomes
        of the caller.

        Raises:
            UnwritableOutput: as ``call``.
        """
        return await anyio.to_thread.run_sync(partial(call, self.store, *args, **kwargs), limiter=self._writing)

    async def read(self, call: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``call``, a method of :class:`Store` that reads, returns."""
        return await anyio.to_thread.run_sync(partial(call, self.store, *args, **kwargs), limiter=self._reading)

    async def pages(self, read_page: ReadPage[Row], limit: int, rows: int) -> AsyncIterator[list[Row]]:
        """Up to ``limit`` rows, newest first, in pages of ``rows``, so that neither the store nor the loop is busy for
        long; what is written meanwhile may be among them or not."""
        last: Row | None = None
        while limit > 0 and (page := await self.read(read_page, min(limit, rows), last)):
            yield page
            last, limit = page[-1], limit - len(page)
