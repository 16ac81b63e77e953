"""Extensions on a node: whatever one does, jobs of others, peers and the control socket go on.

Decisions are made in threads and within a time.  What only tells goes to a thread of each extension's own, in order, so
that a slow one holds up nobody.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

import anyio
import anyio.to_thread

from plasm.model import Manifest, PeerId
from plasm.ops.log import Event, Log
from plasm.plugins import PluginHost
from plasm.plugins.extensions import ADMIT_JOB, JOB_EVENT, RECEIPT_ISSUED, Failure
from plasm.plugins.loading import Plugin

_log = logging.getLogger(__name__)

ADMISSION_SECONDS: Final = 10.0
ADMISSION_THREADS: Final = 8
"""For each extension; one that hangs keeps its threads until it returns."""
MAX_WAITING_EVENTS: Final = 10_000
FLUSH_SECONDS: Final = 5.0
_LOGGED_TRACE_CHARACTERS: Final = 1000


class NodeExtensions:
    """The extensions of one node.  Decides within ``seconds``, all of them together.

    Raises:
        PluginError: an extension cannot be used.
    """

    def __init__(self, host: PluginHost, log: Log, seconds: float = ADMISSION_SECONDS) -> None:
        self._log = log
        self._seconds = seconds
        self._extensions = host.extensions(self._report, self._deliver)
        told = self._extensions.implementing(JOB_EVENT, RECEIPT_ISSUED)
        self._mailboxes = {plugin: _Mailbox(plugin.entry.name) for plugin in told}
        admitting = self._extensions.implementing(ADMIT_JOB)
        self._threads = {plugin: anyio.CapacityLimiter(ADMISSION_THREADS) for plugin in admitting}
        self.job_started = self._extensions.job_started
        self.job_finished = self._extensions.job_finished
        self.receipt_issued = self._extensions.receipt_issued

    @property
    def names_and_versions(self) -> list[tuple[str, str]]:
        """The extensions that are in force."""
        return [(plugin.entry.name, plugin.entry.version) for plugin in self._extensions.plugins]

    @property
    def failures(self) -> dict[tuple[str, str], int]:
        """How often each of them has failed in each hook."""
        return self._extensions.failures.counts

    @property
    def decide(self) -> bool:
        """Whether one of them decides about jobs."""
        return bool(self._threads)

    async def refusal(self, manifest: Manifest, peer: PeerId) -> str | None:
        """Why one of them does not admit this job, with its name, or ``None``."""
        asked_at: dict[Plugin, float] = {}
        with anyio.CancelScope(deadline=anyio.current_time() + self._seconds):
            for plugin, limiter in self._threads.items():
                asked_at[plugin] = anyio.current_time()
                refusal = await anyio.to_thread.run_sync(
                    self._extensions.refusal_of, plugin, manifest, peer, limiter=limiter, abandon_on_cancel=True
                )
                if refusal is not None:
                    return refusal
            return None
        slowest, within = _slowest(asked_at, anyio.current_time()), f"within {self._seconds:g} s"
        self._extensions.failures.add(slowest.entry, ADMIT_JOB, TimeoutError(f"it did not answer {within}"))
        return f"the extension {slowest.entry.name!r} did not decide {within}"

    async def flush(self) -> None:
        """Give extensions that lag behind a moment to hear of everything."""
        for mailbox in self._mailboxes.values():
            await anyio.to_thread.run_sync(mailbox.close, FLUSH_SECONDS)

    def _deliver(self, plugin: Plugin, hook: str, tell: Callable[[], None]) -> None:
        if not self._mailboxes[plugin].put(tell):
            lost = RuntimeError(f"it lags {MAX_WAITING_EVENTS} events behind, and does not hear of this one")
            self._extensions.failures.add(plugin.entry, hook, lost)

    def _report(self, failure: Failure) -> None:
        entry = failure.entry
        self._log.event(
            Event.PLUGIN_FAILED,
            plugin=entry.name,
            distribution=f"{entry.distribution} {entry.version}",
            hook=failure.hook,
            detail=failure.error,
            trace=failure.error.trace[-_LOGGED_TRACE_CHARACTERS:] or None,
        )


def _slowest(asked_at: Mapping[Plugin, float], now: float) -> Plugin:
    """Who took longest of those that were asked one after the other, the last of them until ``now``."""
    took = [until - since for since, until in pairwise([*asked_at.values(), now])]
    return max(zip(asked_at, took, strict=True), key=lambda each: each[1])[0]


class _Mailbox:
    """Calls that a thread makes one after the other."""

    def __init__(self, name: str) -> None:
        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_WAITING_EVENTS)
        self._thread = threading.Thread(target=self._make_calls, name=f"extension {name}", daemon=True)
        self._thread.start()

    def put(self, call: Callable[[], None]) -> bool:
        """Have ``call`` made; says whether there is room for it."""
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            return False
        return True

    def close(self, seconds: float) -> None:
        """Return when all calls have been made, or after so many seconds."""
        try:
            self._calls.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _make_calls(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except BaseException:  # what an extension does is contained in the call; a log may fail to be written
                _log.warning("telling %s failed", threading.current_thread().name, exc_info=True)
