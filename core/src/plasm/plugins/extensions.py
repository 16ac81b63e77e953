"""Asking the installed extensions about jobs, and telling them; costs nothing where there are none.

An extension watches what others do, so its failures go no further: they are counted and reported, and the job, the
receipt, the help go on.  Only a decision that was not made refuses the job.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from plasm.config import Config
    from plasm.errors import PluginError
    from plasm.model import Manifest, Outcome, PeerId
    from plasm.plugins.index import PluginEntry
    from plasm.plugins.loading import Plugin

ADMIT_JOB: Final = "plasm_admit_job"
JOB_EVENT: Final = "plasm_job_event"
RECEIPT_ISSUED: Final = "plasm_receipt_issued"
MAX_REASON_CHARS: Final = 900


class Failure(NamedTuple):
    """A hook that failed without harm to what it was called for."""

    entry: PluginEntry
    hook: str
    error: PluginError


Report = Callable[[Failure], None]
Deliver = Callable[["Plugin", str, Callable[[], None]], None]
"""Has a plugin told, in this hook, by a call that does not raise."""


def warn_of(failure: Failure) -> None:
    """Report a failure on stderr, in one line."""
    from plasm.ops.console import warn

    warn(failure.error)


def deliver_now(_plugin: Plugin, _hook: str, tell: Callable[[], None]) -> None:
    """Tell at once, and go on when that is done."""
    tell()


class Failures:
    """Counts failures by plugin name and hook, and passes each to ``report``.  May be used from several threads."""

    def __init__(self, report: Report = warn_of, watched: Iterable[tuple[str, str]] = ()) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._counts = Counter(dict.fromkeys(watched, 0))

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """How often each plugin has failed in each hook; those that are ``watched`` begin at nothing."""
        with self._lock:
            return dict(self._counts)

    def add(self, entry: PluginEntry, hook: str, error: BaseException) -> None:
        """Count a failure and report it."""
        from plasm.plugins.loading import blame

        with self._lock:
            self._counts[entry.name, hook] += 1
        self._report(Failure(entry, hook, blame(entry, f"failed in {hook}", error)))

    @contextmanager
    def contained(self, entry: PluginEntry, hook: str) -> Iterator[None]:
        """Whatever the block raises is a failure of this plugin in this hook, and goes no further; Ctrl-C does."""
        from plasm.plugins.loading import is_interrupt

        try:
            yield
        except BaseException as error:
            if is_interrupt(error):
                raise
            self.add(entry, hook, error)


class Extensions:
    """The extensions that are in force, loaded.

    One that fails to decide about a job refuses it; one that fails to hear of a job changes nothing.  Both are counted
    in ``failures`` and passed to ``report``.  ``deliver`` says when and where an extension is told.
    """

    def __init__(
        self, plugins: Sequence[Plugin], config: Config, report: Report = warn_of, deliver: Deliver = deliver_now
    ) -> None:
        self.plugins = tuple(plugins)
        hooks = [(plugin, hook) for plugin in self.plugins for hook in (ADMIT_JOB, JOB_EVENT, RECEIPT_ISSUED)]
        watched = [(plugin.entry.name, hook) for plugin, hook in hooks if plugin.implements(hook)]
        self.failures = Failures(report, watched)
        self._config = config
        self._deliver = deliver

    def implementing(self, *hooks: str) -> tuple[Plugin, ...]:
        """Those that have one of these hooks."""
        return tuple(plugin for plugin in self.plugins if any(map(plugin.implements, hooks)))

    def refusal(self, manifest: Manifest, peer: PeerId | None) -> str | None:
        """Why an extension does not admit this job, with its name, or ``None``; the first refusal counts."""
        refusals = (self.refusal_of(plugin, manifest, peer) for plugin in self.implementing(ADMIT_JOB))
        return next((refusal for refusal in refusals if refusal is not None), None)

    def refusal_of(self, plugin: Plugin, manifest: Manifest, peer: PeerId | None) -> str | None:
        """The same of one of them.  A stranger may read the reason: what went wrong inside is for the report only."""
        from plasm.model.text import printable

        name = plugin.entry.name
        with self.failures.contained(plugin.entry, ADMIT_JOB):
            said = plugin.call(ADMIT_JOB, config=self._config, manifest=manifest, peer=peer)
            if said is None:
                return None
            if not isinstance(said, str) or not said.strip():
                raise TypeError(f"it returned {said!r:.80}, which is neither a reason nor None")
            return f"{printable(said.strip())[:MAX_REASON_CHARS]} (extension {name!r})"
        return f"the extension {name!r} failed to decide"

    def job_started(self, job_id: str) -> None:
        """Tell that a job begins."""
        self._job_event(job_id, "started")

    def job_finished(self, job_id: str, outcome: Outcome) -> None:
        """Tell that a job has ended."""
        self._job_event(job_id, "finished", outcome)

    def receipt_issued(self, job_id: str, receipt: bytes) -> None:
        """Tell that a receipt was signed."""
        self._tell(RECEIPT_ISSUED, job_id=job_id, receipt=receipt)

    def _job_event(self, job_id: str, event: str, outcome: Outcome | None = None) -> None:
        if self.implementing(JOB_EVENT):
            from plasm.contracts import JobEvent

            self._tell(JOB_EVENT, job_id=job_id, event=JobEvent(event), outcome=outcome)

    def _tell(self, hook: str, **arguments: object) -> None:
        for plugin in self.implementing(hook):
            self._deliver(plugin, hook, partial(self._call, plugin, hook, arguments))

    def _call(self, plugin: Plugin, hook: str, arguments: dict[str, object]) -> None:
        with self.failures.contained(plugin.entry, hook):
            plugin.call(hook, **arguments)
