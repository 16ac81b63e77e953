"""The repository's folder: opens the files in it, and nothing that merely seems to be there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from plasm_boot.provider.names import Name

NOT_THERE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENXIO)
"""Nothing of that name; a file or a link in place of a folder; a link; not for us; a socket."""


class OpenFile:
    """A regular file, open for reading; a context manager.

    Whatever takes its name meanwhile, ``path`` leads to this very file as long as it is open.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.facts = os.fstat(descriptor)

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self._descriptor}"

    def read(self, limit: int) -> bytes:
        """The file, or its first ``limit`` bytes."""
        return os.pread(self._descriptor, limit, 0)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Folder:
    """The folder at ``path``, which may itself be a link; no link within it is followed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, name: Name) -> OpenFile | None:
        """The file of that name; ``None`` where there is no regular file that may be read.

        Raises:
            OSError: whether there is cannot be told now: out of descriptors, or the disk fails.
        """
        *folders, last = name.path.split("/")
        try:
            within = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            for folder in folders:
                within = _step(within, folder, os.O_PATH | os.O_DIRECTORY)
            # A pipe would have us wait for who writes into it.
            descriptor = _step(within, last, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in NOT_THERE:
                return None
            raise
        opened = OpenFile(descriptor)
        if stat.S_ISREG(opened.facts.st_mode):
            return opened
        opened.close()
        return None


def _step(within: int, name: str, flags: int) -> int:
    """What is called ``name`` in the folder ``within``, which is closed."""
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    finally:
        os.close(within)
