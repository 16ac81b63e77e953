"""Limits that the kernel keeps for a worker process itself.  See setrlimit(2).

The soft ones change with each job.  The hard ones are set once, before the first, to the most that any job may need,
so that a worker which a module has taken over cannot lift them.

They stand behind what the runtime and the parent keep: memory for runtimes that do not bound it themselves and for
compilers, files exactly, processor time in case the parent is not there to look.  Memory is bounded as the size
of private writable mappings: address space, of which runtimes reserve gigabytes for one linear memory, says nothing.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import Final

from plasm.model import Limits
from plasm.model.limits import MAX_MEMORY_BYTES

_COMPILING_BYTES: Final = 2 * 2**30
"""Memory that compiling one module may take."""

MAX_STDIN_FILE_BYTES: Final = 2**29
"""The longest input that a worker keeps in a file."""

_ENGINE_BYTES: Final = 256 * 2**20  # what an engine may need for a job beside the job's own memory
_STACK_BYTES: Final = 64 * 2**20
_OPEN_FILES: Final = 1024
_CPU_SLACK_SECONDS: Final = 2
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_DATA_FIELD: Final = 5

_FORGONE: Final = (
    resource.RLIMIT_CORE,
    resource.RLIMIT_MEMLOCK,
    resource.RLIMIT_MSGQUEUE,
    resource.RLIMIT_NICE,
    resource.RLIMIT_RTPRIO,
)


def set_hard_limits(*, writes_files: bool) -> None:
    """Bound for good what this process can take: memory, descriptors, stack, and the size of a file where its jobs
    write none."""
    for limit in _FORGONE:
        resource.setrlimit(limit, (0, 0))
    _set_hard(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _set_hard(resource.RLIMIT_STACK, _STACK_BYTES)
    with open("/proc/self/statm", "rb") as statm:
        _set_hard(resource.RLIMIT_DATA, _data_bytes(statm.read()) + MAX_MEMORY_BYTES + _ENGINE_BYTES)
    if not writes_files:
        _set_hard(resource.RLIMIT_FSIZE, MAX_STDIN_FILE_BYTES)


class ProcessLimits:
    """The limits of this process."""

    def __init__(self) -> None:
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._cores = os.cpu_count() or 1
        # The interpreter ignores it, and a job would take the error for a full disk and go on.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

    def before_compiling(self) -> None:
        """Bound what a compiler can take; a module may be made to be hard to compile."""
        self._bound_memory(_COMPILING_BYTES)

    def before_job(self, limits: Limits, *, writes_files: bool) -> None:
        """Bound what a job on ``limits`` can take."""
        self._bound_memory(limits.memory + _ENGINE_BYTES)
        seconds = (limits.cpu_time or limits.wall_time * self._cores) // 1000
        _set_soft(resource.RLIMIT_CPU, int(time.process_time()) + seconds + _CPU_SLACK_SECONDS)
        if writes_files:
            _set_soft(resource.RLIMIT_FSIZE, limits.files)

    def _bound_memory(self, size: int) -> None:
        _set_soft(resource.RLIMIT_DATA, _data_bytes(os.pread(self._statm, 128, 0)) + size)


def _data_bytes(statm: bytes) -> int:
    return int(statm.split()[_DATA_FIELD]) * _PAGE_BYTES


def _set_soft(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    resource.setrlimit(limit, (_lower(value, hard), hard))


def _set_hard(limit: int, value: int) -> None:
    soft, hard = resource.getrlimit(limit)
    value = _lower(value, hard)
    resource.setrlimit(limit, (_lower(value, soft), value))


def _lower(value: int, bound: int) -> int:
    return value if bound == resource.RLIM_INFINITY else min(value, bound)
