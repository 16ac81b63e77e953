"""The newest system that verifies, among sources that turn up one by one.

The first that verifies opens a short grace for the others: they may have a newer one, and more sources mean a faster
download.  Each source is asked once.

Sources that do not answer soon hold up nobody: they may still answer, but others are asked beside them meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from attrs import frozen

from plasm.errors import PlasmError
from plasm_boot.errors import NoProvider, SourceFailed, Untrusted
from plasm_boot.fetching.report import Report, Silent
from plasm_boot.sources import RepositorySource
from plasm_boot.trust.verification import TrustedRepository, VerifiedManifest

MANIFEST: Final = "manifest"
_SHOWN: Final = 8
_MOST_ASKED: Final = 64
"""How many may be asked at a time in all: strangers who answer slowly cost no more threads than that."""


@frozen
class Found:
    """A verified manifest, and every source that showed this very one."""

    verified: VerifiedManifest
    sources: tuple[RepositorySource, ...]


class Search:
    """Asks the sources that it is offered for a channel's manifest, up to ``at_once`` side by side.

    One that has not answered after ``turn`` seconds does not count among those any more.  ``grace`` is in seconds, from
    the first manifest that verifies.  Threads may share one.
    """

    def __init__(
        self,
        trusted: TrustedRepository,
        channel: str,
        arch: str,
        mode: str,
        *,
        now: datetime,
        report: Report = Silent(),  # noqa: B008  it has no state
        at_once: int = 8,
        turn: float = 2.0,
        grace: float = 2.0,
    ) -> None:
        self._trusted = trusted
        self._wanted = (channel, arch, mode)
        self._now = now
        self._report = report
        self._at_once = at_once
        self._turn = turn
        self._grace = grace
        self._changed = threading.Condition()
        self._waiting: deque[RepositorySource] = deque()
        self._known: set[str] = set()
        self._asked: set[str] = set()
        self._in_turn: set[str] = set()
        self._closed = False
        self._found: list[tuple[RepositorySource, VerifiedManifest]] = []
        self._first_found_at = 0.0
        self._refusals: dict[str, PlasmError] = {}
        self._failure: Exception | None = None

    @property
    def refusals(self) -> Mapping[str, PlasmError]:
        """Why which source was refused, by name."""
        with self._changed:
            return dict(self._refusals)

    def offer(self, source: RepositorySource) -> None:
        """Ask ``source`` too, as soon as it is its turn; one of a known name is not asked again."""
        with self._changed:
            if self._closed or source.name in self._known:
                return
            self._known.add(source.name)
            self._waiting.append(source)
            self._ask_more()

    def close(self) -> None:
        """No more sources will be offered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> Found:
        """The newest verified manifest, when the grace is over or every source has answered.

        Raises:
            NoProvider: no source has one, or none had after ``timeout`` seconds.
            UnwritableOutput: what was verified cannot be remembered.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._over(deadline):
                self._changed.wait(self._patience(deadline))
            if self._failure is not None:
                raise self._failure
            if not self._found:
                raise self._none()
            newest = max((verified for _, verified in self._found), key=lambda each: each.manifest.version)
            return Found(newest, tuple(source for source, verified in self._found if verified.data == newest.data))

    def _over(self, deadline: float | None) -> bool:
        if self._failure is not None or (self._closed and not self._asked):
            return True
        end = self._first_found_at + self._grace if self._found else deadline
        return end is not None and time.monotonic() >= end

    def _patience(self, deadline: float | None) -> float | None:
        end = self._first_found_at + self._grace if self._found else deadline
        return None if end is None else max(0.0, end - time.monotonic())

    def _none(self) -> NoProvider:
        if not self._known:
            return NoProvider("no provider was found", hint="name one by its URL, or start one with: plasm provide")
        reasons = [error.message for error in self._refusals.values()]
        reasons += [f"{name} has not answered yet" for name in sorted(self._asked)]
        reasons += [f"{source.name} was not asked yet" for source in self._waiting]
        told = "; ".join(reasons[:_SHOWN]) or "none answered in time"
        return NoProvider(f"no provider has a system that verifies: {told}", hint="try other providers")

    def _ask_more(self) -> None:
        """Begin to ask those whose turn it is; the lock is held."""
        if self._failure is not None:
            return
        while self._waiting and len(self._in_turn) < self._at_once and len(self._asked) < _MOST_ASKED:
            source = self._waiting.popleft()
            self._asked.add(source.name)
            self._in_turn.add(source.name)
            threading.Thread(target=self._ask_in_turn, args=(source,), name="manifest", daemon=True).start()

    def _ask_in_turn(self, source: RepositorySource) -> None:
        turn = threading.Timer(self._turn, self._end_turn, (source,))
        turn.daemon = True
        turn.start()
        try:
            self._ask(source)
        except Exception as error:
            with self._changed:
                self._failure = error
        finally:
            turn.cancel()
            with self._changed:
                self._asked.remove(source.name)
                self._end_turn(source)
                self._changed.notify_all()

    def _end_turn(self, source: RepositorySource) -> None:
        with self._changed:
            self._in_turn.discard(source.name)
            self._ask_more()

    def _ask(self, source: RepositorySource) -> None:
        self._report.asked(source.name, MANIFEST)
        try:
            verified = self._trusted.manifest(source, *self._wanted, now=self._now)
        except (Untrusted, SourceFailed) as error:
            with self._changed:
                self._refusals[source.name] = error
            self._report.refused(source.name, MANIFEST, error)
            return
        self._report.verified(source.name, MANIFEST)
        with self._changed:
            if not self._found:
                self._first_found_at = time.monotonic()
            self._found.append((source, verified))
            self._changed.notify_all()
