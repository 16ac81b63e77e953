"""What goes into an archive or a file system: paths, and what is at each; nothing of it is on a disk as such.

Paths have no slash at the beginning.  Times are not kept: everything is as old as SOURCE_DATE_EPOCH says.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen


@frozen
class Entry:
    """A file, folder or link: ``mode`` is all of ``st_mode``; ``content`` are a file's bytes, or the file that has
    them, and where a link leads."""

    mode: int
    content: bytes | Path = b""
    uid: int = 0
    gid: int = 0

    def read(self) -> bytes:
        """A file's bytes; a link's target."""
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content

    @property
    def size(self) -> int:
        """How many bytes :meth:`read` gives."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)


Contents = dict[str, Entry]

FOLDER: Final = Entry(stat.S_IFDIR | 0o755)
_ALL_OF_ROOT: Final[Mapping[str, tuple[int, int]]] = MappingProxyType({})


def file(content: bytes | str | Path, mode: int = 0o644) -> Entry:
    """A file of root's."""
    return Entry(stat.S_IFREG | mode, content.encode() if isinstance(content, str) else content)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def read_folder(
    folder: Path,
    at: str = "",
    unless: Callable[[str], bool] = lambda _: False,
    owners: Mapping[str, tuple[int, int]] = _ALL_OF_ROOT,
) -> Contents:
    """Everything below ``folder``, to be found below ``at``, but what ``unless`` holds for; ``owners`` has the users
    and groups of what is not root's.  Both take paths relative to ``folder``."""
    found: Contents = {}
    for here, folders, files in os.walk(folder):
        base = Path(here)
        for name in sorted((*folders, *files)):
            path = base / name
            relative = path.relative_to(folder).as_posix()
            if unless(relative):
                if name in folders:
                    folders.remove(name)
                continue
            uid, gid = owners.get(relative, (0, 0))
            status = path.lstat()
            content: bytes | Path = b""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path).encode()
            elif stat.S_ISREG(status.st_mode):
                content = path
            found[str(PurePosixPath(at, relative))] = Entry(status.st_mode, content, uid, gid)
    return found


def matching(*patterns: str) -> Callable[[str], bool]:
    """Whether a path, or one of the folders that it is in, fits one of these patterns, in which ``*`` takes slashes
    too."""

    def matches(path: str) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)

    return matches


def with_folders(contents: Contents) -> Contents:
    """The same, with the folders that are needed, in the order in which they can be unpacked."""
    folders = {str(parent) for path in contents for parent in PurePosixPath(path).parents if str(parent) != "."}
    return dict(sorted((dict.fromkeys(folders, FOLDER) | contents).items()))


def owned(contents: Contents, uid: int, gid: int) -> Contents:
    """The same, of another user and group."""
    return {path: evolve(entry, uid=uid, gid=gid) for path, entry in contents.items()}


def plain_size(contents: Contents) -> int:
    """How many bytes all files have together."""
    return sum(entry.size for entry in contents.values() if stat.S_ISREG(entry.mode))


def regular(contents: Contents) -> Iterable[tuple[str, Entry]]:
    """The files alone."""
    return ((path, entry) for path, entry in contents.items() if stat.S_ISREG(entry.mode))
