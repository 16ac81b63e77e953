"""The artifacts of a verified manifest, from every source that showed it, side by side.

A download that breaks is continued from the next source.  What turns out wrong then could be any one's fault: it is
fetched anew by one source at a time, so that whoever lies is named.  A source that fails once is not asked again.

A source that is merely slow has not failed: when a much faster one has nothing to do, that one goes on with what the
slow one has begun.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import define, field

from plasm_boot.errors import NoProvider, SourceFailed, Untrusted
from plasm_boot.fetching.http import HttpSource
from plasm_boot.fetching.report import Report, Silent
from plasm_boot.fetching.search import Found
from plasm_boot.fetching.store import ArtifactStore, PartialFile
from plasm_boot.manifest import Artifact
from plasm_boot.sources import RepositorySource

_BEFORE: Final = "an earlier download"
_PRESUMED_RATE: Final = 1024.0 * 1024
"""Bytes a second of a source that was not measured yet: few are slower without having something in their way."""
_MUCH_FASTER: Final = 4


def download(
    found: Found,
    store: ArtifactStore,
    *,
    report: Report = Silent(),  # noqa: B008  it has no state
    at_once: int = 4,
    measured_over: float = 5.0,
    open_url: Callable[[str], RepositorySource] = HttpSource,
) -> dict[str, Path]:
    """Where in ``store`` each artifact of the manifest that was ``found`` is, verified; by the artifact's name.

    Sources are measured over ``measured_over`` seconds each time.  ``open_url`` gives a source for an address that the
    manifest names outside of the repository.

    Raises:
        NoProvider: not all could be had; the message says why not from which source.
        UnwritableOutput: ``store`` cannot be written.
    """
    named = found.verified.manifest.artifacts
    missing: dict[str, _Task] = {}
    for name, artifact in named.items():
        if artifact.sha256 in missing:
            continue
        if store.find(artifact) is None:
            missing[artifact.sha256] = _Task(name, artifact)
        else:
            report.progress(name, artifact.size, artifact.size)
    if missing:
        supplies = _supplies(found.sources, [task.artifact for task in missing.values()], open_url)
        _Downloads(list(missing.values()), supplies, store, report).run(at_once, measured_over)
    return {name: store.path(artifact) for name, artifact in named.items()}


@define(eq=False)
class _Supply:
    """A source, and the paths at which it may have artifacts, by their digests; ``rate`` is in bytes a second."""

    source: RepositorySource
    paths: Mapping[str, tuple[str, ...]]
    rate: float = _PRESUMED_RATE


@define(eq=False)
class _Task:
    """An artifact to be fetched; ``givers`` gave what is there of it.  When it is ``suspect``, one gives all of it."""

    name: str
    artifact: Artifact
    givers: set[str] = field(factory=set)
    suspect: bool = False


class _CutOff(Exception):
    """A download is to be left to another source."""


@define(eq=False)
class _Attempt:
    """A source at work on a task.  It measures itself; when it is ``cut_off``, it ends with the next bytes."""

    supply: _Supply
    task: _Task
    cut_off: bool = False
    _done: int = 0
    _measured_done: int = 0
    _measured_at: float | None = None

    def begin(self, done: int) -> None:
        """The source is about to be asked for what is missing beyond ``done`` bytes."""
        self._done = self._measured_done = done
        self._measured_at = time.monotonic()

    def proceed(self, done: int) -> None:
        """So much is there now.

        Raises:
            _CutOff: that is enough.
        """
        if self.cut_off:
            raise _CutOff
        self._done = done

    def measure(self, seconds: float) -> float | None:
        """The rate since it was measured last, if that was so many ``seconds`` ago."""
        now = time.monotonic()
        if self._measured_at is None or now - self._measured_at < seconds:
            return None
        rate = (self._done - self._measured_done) / (now - self._measured_at)
        self._measured_done, self._measured_at = self._done, now
        return rate


class _Downloads:
    """What is to be done, what is being done, and by whom."""

    def __init__(
        self, tasks: Sequence[_Task], supplies: Sequence[_Supply], store: ArtifactStore, report: Report
    ) -> None:
        self._pending = list(tasks)
        self._active: list[_Attempt] = []
        self._supplies = list(supplies)
        self._store = store
        self._report = report
        self._changed = threading.Condition()
        self._refusals: list[str] = []
        self._failure: Exception | None = None

    def run(self, at_once: int, measured_over: float) -> None:
        """Fetch everything, so many at once, each in a thread of its own."""
        with self._changed:
            try:
                while self._pending or self._active:
                    self._begin(at_once)
                    if not self._active:
                        raise self._none()
                    self._changed.wait(measured_over)
                    if self._failure is not None:
                        raise self._failure
                    self._cut_off_the_slow(measured_over)
            finally:
                for attempt in self._active:
                    attempt.cut_off = True

    def _begin(self, at_once: int) -> None:
        """Give each task that waits to the fastest source that is idle and has it."""
        for task in tuple(self._pending):
            idle = self._idle(task)
            if idle and len(self._active) < at_once:
                attempt = _Attempt(max(idle, key=lambda supply: supply.rate), task)
                self._pending.remove(task)
                self._active.append(attempt)
                threading.Thread(target=self._work, args=(attempt,), name="download", daemon=True).start()

    def _cut_off_the_slow(self, measured_over: float) -> None:
        for attempt in self._active:
            rate = attempt.measure(measured_over)
            if rate is not None:
                attempt.supply.rate = rate
                if any(supply.rate > _MUCH_FASTER * rate for supply in self._idle(attempt.task)):
                    attempt.cut_off = True

    def _idle(self, task: _Task) -> list[_Supply]:
        """The sources that may have ``task`` and do nothing."""
        busy = [attempt.supply for attempt in self._active]
        return [supply for supply in self._supplies if task.artifact.sha256 in supply.paths and supply not in busy]

    def _none(self) -> NoProvider:
        names = ", ".join(task.name for task in self._pending)
        return NoProvider(
            f"{names} could not be had: {'; '.join(self._refusals)}", hint="try again, or other providers"
        )

    def _work(self, attempt: _Attempt) -> None:
        complete = False
        try:
            complete = self._carry_out(attempt)
        except Exception as error:
            with self._changed:
                self._failure = error
        with self._changed:
            self._active.remove(attempt)
            if not complete:
                self._pending.insert(0, attempt.task)
            self._changed.notify_all()

    def _carry_out(self, attempt: _Attempt) -> bool:
        """Whether the task is done now; a source that fails is not asked for more."""
        name, what = attempt.supply.source.name, attempt.task.name
        self._report.asked(name, what)
        try:
            complete = self._fetch(attempt)
        except _CutOff:
            return False
        except (SourceFailed, Untrusted) as error:
            with self._changed:
                self._supplies.remove(attempt.supply)
                self._refusals.append(error.message)
            self._report.refused(name, what, error)
            return False
        if complete:
            self._report.verified(name, what)
        return complete

    def _fetch(self, attempt: _Attempt) -> bool:
        """Whether the artifact is complete and right now.

        Raises:
            SourceFailed, Untrusted: it is not, and the source is to blame.
            _CutOff: it is not, and nobody is.
        """
        supply, task = attempt.supply, attempt.task
        with self._store.partial(task.artifact) as file:
            if self._store.find(task.artifact) is not None:
                return True
            if task.suspect or file.size > task.artifact.size:
                file.restart()
                task.givers.clear()
            elif file.size and not task.givers:
                task.givers.add(_BEFORE)
            if file.size < task.artifact.size:
                task.givers.add(supply.source.name)
                self._download(attempt, file)
            if file.sha256 == task.artifact.sha256:
                self._store.keep(task.artifact, file)
                return True
            file.restart()
            if task.givers == {supply.source.name}:
                raise Untrusted(
                    f"{task.name} from {supply.source.name} is refused: its digest is not the signed one",
                    hint="ask another provider",
                )
            task.suspect = True
            return False

    def _download(self, attempt: _Attempt, file: PartialFile) -> None:
        source, task = attempt.supply.source, attempt.task

        def progress(done: int) -> None:
            attempt.proceed(done)
            self._report.progress(task.name, done, task.artifact.size)

        attempt.begin(file.size)
        *others, last = attempt.supply.paths[task.artifact.sha256]
        for path in (*others, last):
            try:
                source.download(path, task.artifact.size, file, progress=progress)
            except SourceFailed:
                if path is last:
                    raise
            else:
                return


def _supplies(
    sources: Sequence[RepositorySource], artifacts: Sequence[Artifact], open_url: Callable[[str], RepositorySource]
) -> list[_Supply]:
    relative: dict[str, tuple[str, ...]] = {}
    absolute: dict[str, dict[str, tuple[str, ...]]] = {}
    for artifact in artifacts:
        for url in artifact.urls:
            parts = urlsplit(url)
            if not parts.scheme:
                relative[artifact.sha256] = (*relative.get(artifact.sha256, ()), url)
            elif parts.scheme in ("http", "https"):
                paths = absolute.setdefault(f"{parts.scheme}://{parts.netloc}/", {})
                paths[artifact.sha256] = (*paths.get(artifact.sha256, ()), unquote(parts.path.lstrip("/")))
    elsewhere = [_Supply(open_url(base), paths) for base, paths in absolute.items()]
    return [*(_Supply(source, relative) for source in sources), *elsewhere]
