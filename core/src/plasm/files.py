"""Writing files so that a reader sees the old content or the new, never half of either."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Final

UNFINISHED: Final = ".part"
"""How the names of files end that are not whole yet; they begin with a dot."""


class PendingFile:
    """A file that takes its place only when :meth:`commit` is called; that it can be written is proved at once.

    Links are followed, and a device or a pipe is written in place: it has no old content to protect.

    Raises:
        OSError: the folder is missing or cannot be written, or the disk is full.
    """

    def __init__(self, path: Path, mode: int = 0o644) -> None:
        path = Path(os.path.realpath(path))
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory", str(path))
        self._target = path
        self._temporary: Path | None = None
        if path.exists() and not path.is_file():
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        else:
            self._temporary = unfinished(path)
            self._descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)

    def fileno(self) -> int:
        """The descriptor, for those who want to change more about the file than its content."""
        return self._descriptor

    def commit(self, data: bytes, *, replace: bool = True) -> None:
        """Write ``data`` and put the file in its place, durably.

        Raises:
            FileExistsError: a file is there and is not to be replaced.
        """
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        if self._temporary is not None:
            os.fsync(self._descriptor)
            if replace:
                os.replace(self._temporary, self._target)
            else:
                os.link(self._temporary, self._target)

    def __enter__(self) -> PendingFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        if self._temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)


def unfinished(path: Path) -> Path:
    """A name beside ``path`` for what will take its place when it is whole; another one each time."""
    return path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}{UNFINISHED}")


def write_atomically(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, readable by its owner only; the folder is made with mode 0700 where it is missing.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with PendingFile(path, mode=0o600) as pending:
        pending.commit(data)
