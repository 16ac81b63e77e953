"""Files that everybody may read: each is there as a whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from plasm.errors import UnwritableOutput

_UNFINISHED: Final = ".part"


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
    temporary = unfinished(path)
    try:
        with temporary.open("xb") as file:
            open_to_everybody(temporary)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)


def make_public_folder(folder: Path) -> None:
    """Make ``folder`` where it is missing, and those above it, for everybody to look into.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        make_public_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        open_to_everybody(folder)


def open_to_everybody(path: Path) -> None:
    """Let everybody read the file or folder at ``path``, which was made just now, whatever the umask says."""
    mode = path.stat().st_mode
    # Where a file system has no permissions of its own, those of its mount hold.
    with suppress(PermissionError):
        path.chmod(stat.S_IMODE(mode) | (0o555 if stat.S_ISDIR(mode) else 0o444))


def unfinished(path: Path) -> Path:
    """A name beside ``path`` for what will take its place when it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}{_UNFINISHED}")


def clear_unfinished(folder: Path) -> None:
    """Remove what was never finished below ``folder``, for whoever knows that nobody writes there now.

    Raises:
        OSError: it cannot be removed.
    """
    for path in folder.rglob(f".*{_UNFINISHED}"):
        path.unlink(missing_ok=True)
