"""One process at a time that changes what is in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plasm_boot.trust.public_files import writing


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one who changes what is in ``folder``; wait for another.

    Raises:
        UnwritableOutput: there is no such folder.
    """
    with writing(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
