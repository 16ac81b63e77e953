"""Landlock: which files a process can reach at all.  See landlock(7); numbers from ``linux/landlock.h``."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Sequence
from functools import cache

from plasm.execution.worker.confinement.kernel import call
from plasm.model import Preopen

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_OF_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _READ_FILE | _READ_DIR
# Everything but to execute, and to make devices, sockets and pipes.
_WRITE = _READ | _WRITE_FILE | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 13 | _TRUNCATE

# By ABI: which rights of files there are, and of what else it can deprive a process (TCP; signals, abstract sockets).
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
REFER_ABI, TRUNCATE_ABI, _TCP_ABI, _SCOPE_ABI = 2, 3, 4, 6


@cache
def abi() -> int:
    """The version of Landlock that this kernel speaks; 0 where it has none or it is turned off."""
    try:
        return call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))
    except OSError:
        return 0


def restrict(preopens: Sequence[Preopen], readable: Iterable[str]) -> None:
    """Leave this thread what lies below ``preopens``, and reading what lies below ``readable``; no TCP, no signals
    to others.

    Raises:
        OSError: the kernel refuses.
    """
    handled = (1 << _FILE_RIGHTS[min(abi(), max(_FILE_RIGHTS))]) - 1
    attributes = struct.pack("=QQQ", handled, 0b11 if abi() >= _TCP_ABI else 0, 0b11 if abi() >= _SCOPE_ABI else 0)
    size = 24 if abi() >= _SCOPE_ABI else 16 if abi() >= _TCP_ABI else 8
    ruleset = call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint(0))
    try:
        for folder in readable:
            _allow(ruleset, folder, _READ & handled)
        for preopen in preopens:
            _allow(ruleset, preopen.host, (_READ if preopen.mount.read_only else _WRITE) & handled)
        call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there cannot be reached; who needs it will say so
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, beneath)
        call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0))
    finally:
        os.close(beneath)
