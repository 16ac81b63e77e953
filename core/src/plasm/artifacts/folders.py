"""Folders of files named by digest that are kept below a size by removing those used longest ago."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def is_private(folder: Path) -> bool:
    """Whether ``folder`` belongs to this user, and nobody else may enter it.

    Raises:
        OSError: it cannot be looked at.
    """
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def prune(folder: Path, most: int) -> None:
    """Remove files of ``folder``, those used longest ago first, until no more than ``most`` bytes are left.

    Raises:
        OSError: it cannot be looked at.
    """
    entries = [(entry.stat(), entry.path) for entry in os.scandir(folder)]
    excess = sum(status.st_size for status, _ in entries) - most
    for status, path in sorted(entries, key=lambda pair: pair[0].st_mtime_ns):
        if excess <= 0:
            break
        os.unlink(path)
        excess -= status.st_size
