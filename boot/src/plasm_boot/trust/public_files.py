"""Files that everybody may read: each is there as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plasm.errors import UnwritableOutput
from plasm.files import PendingFile


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
    """Put ``data`` at ``path``, readable by everybody; folders are made where they are missing.

    Raises:
        FileExistsError: something is there and is not to be replaced.
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with PendingFile(path) as pending:
        pending.commit(data, replace=replace)
