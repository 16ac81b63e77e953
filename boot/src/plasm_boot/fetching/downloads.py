"""The artifacts of a verified manifest, from every source that showed it, side by side.

A download that breaks is continued from the next source.  What turns out wrong then could be any one's fault: it is
fetched anew by one source at a time, so that whoever lies is named.  A source that fails once is not asked again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import define, field, frozen

from plasm_boot.errors import NoProvider, SourceFailed, Untrusted
from plasm_boot.fetching.http import HttpSource
from plasm_boot.fetching.report import Report, Silent
from plasm_boot.fetching.search import Found
from plasm_boot.fetching.store import ArtifactStore, PartialFile
from plasm_boot.manifest import Artifact
from plasm_boot.sources import Source

_BEFORE: Final = "an earlier download"


def download(
    found: Found,
    store: ArtifactStore,
    *,
    report: Report = Silent(),  # noqa: B008  it has no state
    at_once: int = 4,
    open_url: Callable[[str], Source] = HttpSource,
) -> dict[str, Path]:
    """Where in ``store`` each artifact of the manifest that was ``found`` is, verified; by the artifact's name.

    ``open_url`` gives a source for an address that the manifest names outside of the repository.

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
        _Downloads(list(missing.values()), supplies, store, report).run(at_once)
    return {name: store.path(artifact) for name, artifact in named.items()}


@frozen
class _Supply:
    """A source, and the paths at which it may have artifacts, by their digests."""

    source: Source
    paths: Mapping[str, tuple[str, ...]]


@define
class _Task:
    """An artifact to be fetched; ``givers`` gave what is there of it.  When it is ``suspect``, one gives all of it."""

    name: str
    artifact: Artifact
    givers: set[str] = field(factory=set)
    suspect: bool = False


class _Downloads:
    """What is to be done, what is being done, and by whom."""

    def __init__(
        self, tasks: Sequence[_Task], supplies: Sequence[_Supply], store: ArtifactStore, report: Report
    ) -> None:
        self._pending = list(tasks)
        self._active: list[_Task] = []
        self._supplies = deque(supplies)
        self._store = store
        self._report = report
        self._changed = threading.Condition()
        self._threads = 0
        self._refusals: list[str] = []
        self._failure: Exception | None = None

    def run(self, at_once: int) -> None:
        """Fetch everything, in so many threads."""
        self._threads = min(at_once, len(self._supplies))
        for _ in range(self._threads):
            threading.Thread(target=self._work, name="download", daemon=True).start()
        with self._changed:
            while self._threads and (self._pending or self._active) and self._failure is None:
                self._changed.wait()
            if self._failure is not None:
                raise self._failure
            if self._pending or self._active:
                names = ", ".join(task.name for task in self._pending)
                raise NoProvider(
                    f"{names} could not be had: {'; '.join(self._refusals)}", hint="try again, or other providers"
                )

    def _work(self) -> None:
        try:
            while (supply := self._next_supply()) is not None:
                while (task := self._take(supply)) is not None and self._carry_out(supply, task):
                    pass
        except Exception as error:
            with self._changed:
                self._failure = error
        with self._changed:
            self._threads -= 1
            self._changed.notify_all()

    def _next_supply(self) -> _Supply | None:
        with self._changed:
            return self._supplies.popleft() if self._supplies else None

    def _take(self, supply: _Supply) -> _Task | None:
        """A task for ``supply``; waits while one may come back from another; none when there is nothing to do."""
        with self._changed:
            while self._failure is None:
                for task in self._pending:
                    if task.artifact.sha256 in supply.paths:
                        self._pending.remove(task)
                        self._active.append(task)
                        return task
                if not any(task.artifact.sha256 in supply.paths for task in self._active):
                    break
                self._changed.wait()
            return None

    def _carry_out(self, supply: _Supply, task: _Task) -> bool:
        """Whether ``supply`` may be asked for more."""
        self._report.asked(supply.source.name, task.name)
        complete, trusted = False, True
        try:
            complete = self._fetch(supply, task)
        except (SourceFailed, Untrusted) as error:
            trusted = False
            with self._changed:
                self._refusals.append(error.message)
            self._report.refused(supply.source.name, task.name, error)
        with self._changed:
            self._active.remove(task)
            if not complete:
                self._pending.insert(0, task)
            self._changed.notify_all()
        if complete:
            self._report.verified(supply.source.name, task.name)
        return trusted

    def _fetch(self, supply: _Supply, task: _Task) -> bool:
        """Whether the artifact is complete and right now.

        Raises:
            SourceFailed, Untrusted: it is not, and the source is to blame.
        """
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
                self._download(supply, task, file)
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

    def _download(self, supply: _Supply, task: _Task, file: PartialFile) -> None:
        *others, last = supply.paths[task.artifact.sha256]
        for path in (*others, last):
            try:
                supply.source.download(
                    path,
                    task.artifact.size,
                    file,
                    progress=lambda done: self._report.progress(task.name, done, task.artifact.size),
                )
            except SourceFailed:
                if path is last:
                    raise
            else:
                return


def _supplies(
    sources: Sequence[Source], artifacts: Sequence[Artifact], open_url: Callable[[str], Source]
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
