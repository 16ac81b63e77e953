"""Forgetting: what a node keeps of jobs that have ended, and of peers, does not grow for ever."""

from __future__ import annotations

from typing import Final

import anyio
import anyio.to_thread
from attrs import frozen

from plasm.errors import PlasmError
from plasm.node.store import Store
from plasm.ops.log import Event, Log

_EVERY_SECONDS: Final = 3600.0


@frozen
class Retention:
    """How old what is kept may be, and how large all of it together."""

    max_age_ms: int = 90 * 24 * 3_600_000
    max_bytes: int = 2**30


async def keep_pruned(store: Store, retention: Retention, log: Log) -> None:
    """Forget what is too old or too much, now and every hour."""
    while True:
        await prune(store, retention, log)
        await anyio.sleep(_EVERY_SECONDS)


async def prune(store: Store, retention: Retention, log: Log) -> None:
    """Forget what is too old or too much.  A store that cannot be written now is told, and tried again the next time:
    it is no reason to end jobs."""
    try:
        # It may take minutes, and a node that stops does not wait for it: the next start goes on.
        gone = await anyio.to_thread.run_sync(
            store.prune,
            retention.max_age_ms // 1000,
            retention.max_bytes,
            abandon_on_cancel=True,
            limiter=anyio.CapacityLimiter(1),
        )
    except PlasmError as error:
        log.event(Event.PRUNING_FAILED, code=error.code, detail=error)
        return
    if gone.jobs or gone.receipts or gone.peers:
        log.event(Event.PRUNED, jobs=gone.jobs, receipts=gone.receipts, peers=gone.peers)
