"""Who is told how fetching goes."""

from __future__ import annotations

from typing import Protocol

from plasm.errors import PlasmError


class Report(Protocol):
    """Hears what happens, from several threads at once.

    ``source`` is a source's name; ``what`` is ``"manifest"``, or the name of an artifact.
    """

    def asked(self, source: str, what: str) -> None:
        """An attempt began."""
        ...

    def refused(self, source: str, what: str, error: PlasmError) -> None:
        """The attempt failed: the source is not asked again."""
        ...

    def verified(self, source: str, what: str) -> None:
        """It is there, whole, and what was signed."""
        ...

    def progress(self, artifact: str, done: int, total: int) -> None:
        """So many of the artifact's bytes are there."""
        ...


class Silent:
    """Tells nobody."""

    def asked(self, source: str, what: str) -> None:
        """Nothing."""

    def refused(self, source: str, what: str, error: PlasmError) -> None:
        """Nothing."""

    def verified(self, source: str, what: str) -> None:
        """Nothing."""

    def progress(self, artifact: str, done: int, total: int) -> None:
        """Nothing."""
