"""What there is to boot in a repository, by its manifests; for people and for discovery, and believed by no machine."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

from attrs import frozen

from plasm_boot.errors import InvalidBootManifest
from plasm_boot.manifest import MAX_MANIFEST_BYTES, BootManifest, discovery_key
from plasm_boot.provider.folder import Folder
from plasm_boot.provider.names import TIMESTAMP, Name, named

MAX_MANIFESTS: Final = 10_000


@frozen(order=True)
class Publication:
    """The newest version of a channel for an architecture in a mode."""

    channel: str
    arch: str
    mode: str
    version: int


class Catalogue:
    """The publications in the repository at ``path``, as they were when :meth:`refresh` was called last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = Folder(path)
        self._read: dict[str, Publication | None] = {}
        self._stamp: tuple[int, int] | None = None
        self.publications: tuple[Publication, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys under which the publications are to be found."""
        return tuple(sorted({discovery_key(each.channel, each.arch) for each in self.publications}))

    @property
    def is_repository(self) -> bool:
        """Whether there is metadata for machines to begin with."""
        return self._timestamp() is not None

    def refresh(self) -> bool:
        """Look again, if anything was published; whether anything was."""
        stamp = self._timestamp()
        if stamp is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        self.publications = tuple(sorted(_newest(filter(None, map(self._publication, self._manifests())))))
        return True

    def _timestamp(self) -> tuple[int, int] | None:
        """Something that is another one after each publication."""
        name = named(TIMESTAMP)
        opened = self._folder.open(name) if name else None
        if opened is None:
            return None
        with opened:
            return opened.facts.st_ino, opened.facts.st_mtime_ns

    def _manifests(self) -> Iterable[Name]:
        paths = (path.relative_to(self._path) for path in self._path.glob("targets/*/*/*/*.manifest.json"))
        return filter(None, (named(path.as_posix()) for path in islice(paths, MAX_MANIFESTS)))

    def _publication(self, name: Name) -> Publication | None:
        # A manifest never changes: its name says what is in it.
        if name.path not in self._read:
            self._read[name.path] = self._read_publication(name)
        return self._read[name.path]

    def _read_publication(self, name: Name) -> Publication | None:
        opened = self._folder.open(name)
        if opened is None:
            return None
        with opened:
            data = opened.read(MAX_MANIFEST_BYTES + 1)
        try:
            manifest = BootManifest.from_bytes(data)
        except InvalidBootManifest:
            return None
        if name.path.split("/")[1:4] != [manifest.channel, manifest.arch, manifest.mode]:
            return None
        return Publication(manifest.channel, manifest.arch, manifest.mode, manifest.version)


def _newest(publications: Iterable[Publication]) -> Iterable[Publication]:
    # Sorted, the last of each is the newest.
    return {(each.channel, each.arch, each.mode): each for each in sorted(publications)}.values()
