"""How fetching goes, for a person: lines of text, and bars where there is a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from plasm.errors import PlasmError
from plasm.model.text import printable
from plasm.ops.console import say

if TYPE_CHECKING:
    from rich.progress import TaskID


class Progress:
    """A :class:`~plasm_boot.fetching.report.Report` on stderr, while it is entered as a context."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        console = Console(stderr=True, markup=False, highlight=False)
        self._bars = Bars(*columns, console=console, disable=not sys.stderr.isatty())
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Progress:
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
        if artifact not in self._tasks:
            self._tasks[artifact] = self._bars.add_task(printable(artifact), total=total)
        self._bars.update(self._tasks[artifact], completed=done)
