"""What there is to boot in a repository, by its manifests; for people and for discovery, and believed by no machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Final

from attrs import frozen

from plasm.errors import UnreadableInput
from plasm_boot.errors import InvalidBootManifest
from plasm_boot.manifest import MAX_MANIFEST_BYTES, BootManifest, discovery_key
from plasm_boot.provider.folder import NOT_THERE, Folder
from plasm_boot.provider.names import TIMESTAMP, Name, named

MAX_MANIFESTS: Final = 10_000


@frozen(order=True)
class PublishedSystem:
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
        self._read: dict[str, PublishedSystem] = {}
        self.publications: tuple[PublishedSystem, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys under which the publications are to be found."""
        return tuple(sorted({discovery_key(each.channel, each.arch) for each in self.publications}))

    @property
    def is_repository(self) -> bool:
        """Whether there is metadata for machines to begin with.

        Raises:
            UnreadableInput: it cannot be told, for the folder cannot be read.
        """
        name = named(TIMESTAMP)
        try:
            opened = self._folder.open(name) if name else None
        except OSError as error:
            raise self._unreadable(error) from None
        if opened is None:
            return False
        opened.close()
        return True

    def refresh(self) -> None:
        """Look again at what there is; where there is no metadata any more, the publications are the former ones.

        Raises:
            UnreadableInput: the folder cannot be read, and here, too, nothing changes.
        """
        if not self.is_repository:
            return
        # Manifests, not the metadata, say whether there is anything new: in a copy they may come after it.
        try:
            found = {name.path: self._publication(name) for name in islice(self._manifests(), MAX_MANIFESTS)}
        except OSError as error:
            raise self._unreadable(error) from None
        self._read = {path: publication for path, publication in found.items() if publication is not None}
        self.publications = tuple(sorted(_newest(self._read.values())))

    def _manifests(self) -> Iterator[Name]:
        # Not by glob: what it cannot read, it takes for empty.
        for folder, _, files in os.walk(self._path / "targets", onerror=_heed):
            within = Path(folder).relative_to(self._path).as_posix()
            yield from filter(None, (named(f"{within}/{file}") for file in files))

    def _publication(self, name: Name) -> PublishedSystem | None:
        # A manifest never changes, for its name says what is in it; but one that is still being copied is none yet.
        return self._read.get(name.path) or self._read_publication(name)

    def _read_publication(self, name: Name) -> PublishedSystem | None:
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
        return PublishedSystem(manifest.channel, manifest.arch, manifest.mode, manifest.version)

    def _unreadable(self, error: OSError) -> UnreadableInput:
        return UnreadableInput(
            f"{self._path} cannot be read: {error.strerror}", hint="look at the disk, and at the limit of open files"
        )


def _heed(error: OSError) -> None:
    """Raise it, unless there merely is no such folder any more, or none for us."""
    if error.errno not in NOT_THERE:
        raise error


def _newest(publications: Iterable[PublishedSystem]) -> Iterable[PublishedSystem]:
    # The last of each is the newest.
    return {
        (each.channel, each.arch, each.mode): each for each in sorted(publications, key=attrgetter("version"))
    }.values()
