"""What a mode without a network boots: the part of a repository that a machine reads, and nothing else of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from plasm_boot.building.contents import Contents, file
from plasm_boot.errors import Untrusted
from plasm_boot.fetching.folder import FolderSource
from plasm_boot.system import System, SystemFile
from plasm_boot.trust import layout
from plasm_boot.trust.verification import TrustedRepository


class _Noting:
    """A source that notes what it is asked for and has."""

    def __init__(self, folder: Path) -> None:
        self._source = FolderSource(folder)
        self.name = self._source.name
        self.given: Contents = {}

    def read(self, path: str, limit: int) -> bytes | None:
        data = self._source.read(path, limit)
        if data is not None:
            self.given[path] = file(data)
        return data

    def download(
        self, path: str, size: int, into: BinaryIO, *, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        self._source.download(path, size, into, progress=progress)


def published(repository: Path, root: bytes, system: System, channel: str, now: datetime) -> Contents:
    """What a machine that trusts ``root`` reads from ``repository`` to boot the mode of ``system``, as of ``now``.

    Raises:
        Untrusted: it would not boot it; the message says why.
        SourceFailed: something of it is missing.
    """
    source = _Noting(repository)
    verified = TrustedRepository(root).manifest(source, channel, system.arch, system.mode, now=now)
    contents = source.given
    for name, artifact in verified.manifest.artifacts.items():
        place = layout.artifact(artifact.sha256)
        found = SystemFile.of(repository / place)
        if (found.sha256, found.size) != (artifact.sha256, artifact.size):
            raise Untrusted(f"{name} in {repository} is not what was signed", hint="publish the system again")
        contents[place] = file(repository / place)
    return contents
