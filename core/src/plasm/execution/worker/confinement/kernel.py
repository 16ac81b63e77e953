"""Privileges: a process that runs strangers' code neither has nor gains any.  See prctl(2) and capabilities(7)."""

from __future__ import annotations

import ctypes
import struct

_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAP_FOWNER = 1, 2, 3

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def call(number: int, *arguments: object) -> int:
    """Make a system call that the C library does not wrap.

    Raises:
        OSError: it failed.
    """
    result: int = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "system call failed")
    return result


def forgo_privileges() -> None:
    """Let no program that this process might start have more rights than it has (``no_new_privs``)."""
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def drop_capabilities(*, keep_file_access: bool) -> None:
    """Let go of what makes root more than a user, but for reading and writing files where ``keep_file_access``: a
    folder that root gives to a job may belong to anybody."""
    kept = 1 << _CAP_DAC_OVERRIDE | 1 << _CAP_DAC_READ_SEARCH | 1 << _CAP_FOWNER if keep_file_access else 0
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    held = ctypes.create_string_buffer(24)
    if libc.capget(header, held):
        return
    effective, permitted = struct.unpack_from("=II", held.raw)
    libc.capset(header, struct.pack("=6I", effective & kept, permitted & kept, 0, 0, 0, 0))
