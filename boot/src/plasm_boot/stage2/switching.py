"""Leaves the initramfs for the root file system, as switch_root does."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterable
from typing import NoReturn

from plasm_boot.linux import syscalls


def switch_root(new: str, carried: Iterable[str], kept: Collection[str], init: str) -> NoReturn:
    """Make ``new`` the root with the mounts ``carried`` in it, and become ``init``; does not return.

    The initramfs is memory, so what is in it is deleted but for the files ``kept``.

    Raises:
        OSError: ``new`` lacks a folder to carry a mount to, or has no ``init``.
    """
    for folder in carried:
        syscalls.mount(folder, f"{new}{folder}", "", syscalls.MOVE)
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _empty(old, "/", os.fstat(old).st_dev, kept)
    os.chdir(new)
    syscalls.mount(".", "/", "", syscalls.MOVE)
    os.chroot(".")
    os.chdir("/")
    os.execv(init, [init])  # noqa: S606


def _empty(folder: int, path: str, device: int, kept: Collection[str]) -> None:
    """Delete what is in ``folder`` and on ``device``, the file system of the initramfs, and on no other."""
    for name in os.listdir(folder):
        whole = os.path.join(path, name)
        about = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if about.st_dev != device or whole in kept:
            continue
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(about.st_mode):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                try:
                    _empty(inner, whole, device, kept)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
