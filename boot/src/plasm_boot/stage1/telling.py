"""Shows how fetching goes, and keeps what was refused for whoever looks into it later."""

from __future__ import annotations

from collections import deque
from typing import Final

from plasm.errors import PlasmError
from plasm_boot.fetching.search import MANIFEST
from plasm_boot.stage1.console import Console

_REMEMBERED: Final = 64


class Telling:
    """The report of fetching, on the console.

    A line of it is stable: ``refused SOURCE: what was asked for and what is wrong with it``.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.refusals: deque[str] = deque(maxlen=_REMEMBERED)

    def asked(self, source: str, what: str) -> None:
        """An attempt began."""
        if what == MANIFEST:
            self._console.step(f"asking {source}")

    def refused(self, source: str, what: str, error: PlasmError) -> None:
        """The attempt failed."""
        self.refusals.append(f"{source}: {error.message}")
        self._console.step(f"refused {source}: {error.message}")

    def verified(self, source: str, what: str) -> None:
        """It is what was signed."""
        self._console.step(f"verified {what} from {source}")

    def failed(self, what: str) -> None:
        """Something went wrong that ends nothing."""
        self._console.step(what)

    def progress(self, artifact: str, done: int, total: int) -> None:
        """More of it came."""
        self._console.progress(artifact, done, total)
