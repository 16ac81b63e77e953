"""Files that everybody may read: each is there as a whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from plasm.errors import UnwritableOutput
from plasm.files import UNFINISHED, PendingFile


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tell of what cannot be written below ``folder``.

    Raises:
        UnwritableOutput: in place of ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise UnwritableOutput(
            f"{error.filename or folder} cannot be written: {error.strerror}",
            hint="check who owns the folder and that its disk is neither full nor read-only",
        ) from None


def write_public(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Put ``data`` at ``path``, readable by everybody; folders are made where they are missing, and links followed.

    Raises:
        FileExistsError: something is there and is not to be replaced.
        OSError: it cannot be written.
    """
    path = path.resolve()
    make_public_folder(path.parent)
    with PendingFile(path) as pending:
        open_to_everybody(pending.fileno())
        pending.commit(data, replace=replace)


def make_public_folder(folder: Path) -> None:
    """Make ``folder`` where it is missing, and those above it, for everybody to look into.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        make_public_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        open_to_everybody(folder)


def open_to_everybody(made: Path | int) -> None:
    """Let everybody read what was made just now, a file or folder by its path or descriptor, whatever the umask
    says."""
    mode = os.stat(made).st_mode
    # Where a file system has no permissions of its own, those of its mount hold.
    with suppress(PermissionError):
        os.chmod(made, stat.S_IMODE(mode) | (0o555 if stat.S_ISDIR(mode) else 0o444))


def clear_unfinished(folder: Path) -> None:
    """Remove what was never finished below ``folder``, for whoever knows that nobody writes there now.

    Raises:
        OSError: it cannot be removed.
    """
    for path in folder.rglob(f".*{UNFINISHED}"):
        path.unlink(missing_ok=True)
