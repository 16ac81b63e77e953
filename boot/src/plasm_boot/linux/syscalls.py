"""The system calls that Python does not offer, by way of ctypes.  Each raises ``OSError`` where the kernel refuses."""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Final

READ_ONLY: Final = 1
NO_SUID: Final = 2
NO_DEVICES: Final = 4
NO_EXECUTION: Final = 8
BIND: Final = 4096
MOVE: Final = 8192
"""Flags of mount(2)."""

NEW_MOUNTS: Final = 0x00020000
NEW_USERS: Final = 0x10000000
"""Flags of unshare(2)."""

RESTART: Final = 0x01234567
POWER_OFF: Final = 0x4321FEDC
KEXEC: Final = 0x45584543
"""Commands of reboot(2)."""

_KEXEC_FILE_LOAD: Final = {"x86_64": 320, "aarch64": 294}

_libc: Final = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount ``source`` at ``target``; the manual's page is mount in section 2."""
    arguments = (source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), options.encode())
    _check(_libc.mount(*arguments), target)


def unmount(target: str) -> None:
    """Unmount what is at ``target``."""
    _check(_libc.umount2(target.encode(), 0), target)


def unshare(flags: int) -> None:
    """Go into new namespaces of the kinds in ``flags``."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def kexec_file_load(kernel: int, initramfs: int, command_line: str) -> None:
    """Have the kernel read the next one and its initramfs from these descriptors.

    Raises:
        OSError: also where this architecture has no such call.
    """
    number = _KEXEC_FILE_LOAD.get(platform.machine())
    if number is None:
        raise OSError(38, f"{platform.machine()} has no kexec_file_load")
    text = command_line.encode() + b"\0"
    called = _libc.syscall(
        ctypes.c_long(number),
        ctypes.c_int(kernel),
        ctypes.c_int(initramfs),
        ctypes.c_ulong(len(text)),
        text,
        ctypes.c_ulong(0),
    )
    _check(called, "kexec_file_load")


def reboot(command: int) -> None:
    """Stop the machine as ``command`` says; returns only by an exception."""
    os.sync()
    _check(_libc.reboot(ctypes.c_int(ctypes.c_int32(command & 0xFFFFFFFF).value)), "reboot")


def _check(result: int, what: str) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), what)
