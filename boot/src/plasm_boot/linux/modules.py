"""Loads kernel modules by kmod's modprobe, which knows what depends on what."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

_MODPROBE: Final = "/sbin/modprobe"
_AT_ONCE: Final = 100


def load(names: Iterable[str]) -> None:
    """Load the modules with these names or aliases; what is built in, unknown or unwilling is passed over."""
    wanted = list(names)
    for begin in range(0, len(wanted), _AT_ONCE):
        _run([_MODPROBE, "-qab", "--", *wanted[begin : begin + _AT_ONCE]])


def _run(command: list[str]) -> None:
    # What modprobe says about unknown modules is noise on a console; a driver that is missed shows by what it drives.
    quiet = [(os.POSIX_SPAWN_OPEN, each, "/dev/null", os.O_RDWR, 0) for each in (0, 1, 2)]
    child = os.posix_spawn(command[0], command, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, file_actions=quiet)
    os.waitpid(child, 0)
