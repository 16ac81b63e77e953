"""The system that was booted last, kept as a repository of its own: it boots again when no provider can be reached.

It is verified anew each time, as a stranger's would be, and is of no use any more when its metadata have expired.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from plasm.files import write_atomically
from plasm_boot.sources import RepositorySource


class RecordedSource:
    """A source that remembers the small files that were read from it."""

    def __init__(self, source: RepositorySource) -> None:
        self.name = source.name
        self._source = source
        self._read: dict[str, bytes] = {}

    def read(self, path: str, limit: int) -> bytes | None:
        """As :meth:`RepositorySource.read <plasm_boot.sources.RepositorySource.read>`."""
        data = self._source.read(path, limit)
        if data is not None:
            self._read[path] = data
        return data

    def download(
        self, path: str, size: int, into: BinaryIO, *, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """As :meth:`RepositorySource.download <plasm_boot.sources.RepositorySource.download>`."""
        self._source.download(path, size, into, progress=progress)

    def keep(self, repository: Path) -> None:
        """Put what was read into the folder ``repository``; only what has verified is worth keeping.

        Raises:
            OSError: the folder cannot be written.
        """
        for path, data in self._read.items():
            write_atomically(repository / path, data)
