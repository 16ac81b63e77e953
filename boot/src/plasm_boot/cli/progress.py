"""How fetching goes, for a person: lines of text, and bars where there is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from plasm.errors import PlasmError
from plasm.model.text import printable
from plasm.ops.console import say

if TYPE_CHECKING:
    from rich.progress import Progress as Bars


def bars() -> Bars:
    """Bars on stderr where that is a terminal, nothing elsewhere; to be entered as a context."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True, markup=False, highlight=False)
    return Progress(*columns, console=console, disable=not sys.stderr.isatty())


def mover(shown: Bars, what: str, total_bytes: int) -> Callable[[int], None]:
    """A new bar among those ``shown``, which is moved by calling this with the bytes that are done."""
    task = shown.add_task(printable(what), total=total_bytes)
    return lambda done: shown.update(task, completed=done)


class TerminalReport:
    """A :class:`~plasm_boot.fetching.report.Report` on stderr, while it is entered as a context."""

    def __init__(self) -> None:
        self._bars = bars()
        self._movers: dict[str, Callable[[int], None]] = {}

    def __enter__(self) -> TerminalReport:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def asked(self, source: str, what: str) -> None:
        """Shown by what comes of it."""

    def refused(self, source: str, what: str, error: PlasmError) -> None:
        """Say why."""
        say(f"refused {source}: {error.message}")

    def verified(self, source: str, what: str) -> None:
        """Say so."""
        say(f"verified {what} from {source}")

    def progress(self, artifact: str, done: int, total: int) -> None:
        """Move the artifact's bar."""
        if artifact not in self._movers:
            self._movers[artifact] = mover(self._bars, artifact, total)
        self._movers[artifact](done)
