"""What a client has verified before: without it nobody could tell an old system from the newest.

Kept as TUF's own files in a folder, each written as a whole.  A file that is missing or damaged is as one never
seen: the folder may be trusted as much as the machine that it is on.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import evolve, field, frozen

from plasm.errors import UnwritableOutput
from plasm.files import write_atomically

_ROLES: Final = ("timestamp", "snapshot", "targets")
_VERSIONS: Final = "versions.json"


@frozen
class Remembered:
    """Verified metadata as bytes: roots by version, the other roles by name; and manifests' versions by target path."""

    roots: Mapping[int, bytes] = field(factory=dict)
    roles: Mapping[str, bytes] = field(factory=dict)
    versions: Mapping[str, int] = field(factory=dict)


class MetadataStore:
    """What is remembered, for the threads of one process; on the disk too where there is a ``folder``."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._now = Remembered() if folder is None else _read(folder)

    def recall(self) -> Remembered:
        """What is remembered now."""
        return self._now

    def learn_root(self, version: int, data: bytes) -> None:
        """Remember a root, which a verified one vouches for.

        Raises:
            UnwritableOutput: the folder cannot be written.
        """
        with self._lock:
            if self._now.roots.get(version) != data:
                self._write({f"{version}.root.json": data})
                self._now = evolve(self._now, roots={**self._now.roots, version: data})

    def learn(self, before: Remembered, roles: Mapping[str, bytes], versions: Mapping[str, int]) -> bool:
        """Remember the metadata of ``roles``, and the ``versions`` of manifests.

        False where somebody else changed what was remembered ``before``: what was verified against it may be older
        now than what is known.

        Raises:
            UnwritableOutput: the folder cannot be written.
        """
        with self._lock:
            if (self._now.roles, self._now.versions) != (before.roles, before.versions):
                return False
            if (roles, versions) == (before.roles, before.versions):
                return True
            self._write({f"{role}.json": roles[role] for role in _ROLES if roles[role] != before.roles.get(role)})
            self._write({_VERSIONS: json.dumps(versions, sort_keys=True).encode()})
            self._now = evolve(self._now, roles=roles, versions=versions)
            return True

    def _write(self, files: Mapping[str, bytes]) -> None:
        if self._folder is None:
            return
        try:
            for name, data in files.items():
                write_atomically(self._folder / name, data)
        except OSError as error:
            raise UnwritableOutput(
                f"{self._folder} cannot keep what was verified: {error.strerror}", hint="give another folder"
            ) from None


def _read(folder: Path) -> Remembered:
    roots = {}
    for path in folder.glob("*.root.json"):
        version = path.name.partition(".")[0]
        if version.isascii() and version.isdigit() and (data := _contents(path)) is not None:
            roots[int(version)] = data
    roles = {role: data for role in _ROLES if (data := _contents(folder / f"{role}.json")) is not None}
    return Remembered(roots, roles, _versions(_contents(folder / _VERSIONS)))


def _versions(data: bytes | None) -> dict[str, int]:
    try:
        document = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {path: version for path, version in document.items() if type(version) is int}


def _contents(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
