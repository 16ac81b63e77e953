"""Limits that the kernel keeps for a worker process itself, changed for each job.  See setrlimit(2).

They stand behind what the runtime and the executor keep: memory for runtimes that do not bound it themselves and for
compilers, files exactly, processor time in case that the executor is not there to look.  Memory is bounded as the size
of private writable mappings: address space, of which runtimes reserve gigabytes for one linear memory, says nothing.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import Final

from plasm.model import Limits

COMPILING_BYTES: Final = 2 * 2**30
"""Memory that compiling one module may take."""

_ENGINE_BYTES: Final = 256 * 2**20  # what an engine may need for a job beside the job's own memory
_CPU_SLACK_S: Final = 2
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_DATA_FIELD: Final = 5


class ProcessLimits:
    """The limits of this process."""

    def __init__(self) -> None:
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._cores = os.cpu_count() or 1
        # The interpreter ignores it, and a job would take the error for a full disk and go on.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

    def before_compiling(self) -> None:
        """Bound what a compiler can take; a module may be made to be hard to compile."""
        self._bound_memory(COMPILING_BYTES)

    def before_job(self, limits: Limits, *, writes_files: bool) -> None:
        """Bound what a job on ``limits`` can take."""
        self._bound_memory(limits.memory + _ENGINE_BYTES)
        seconds = (limits.cpu_time or limits.wall_time * self._cores) // 1000
        _set_soft(resource.RLIMIT_CPU, int(time.process_time()) + seconds + _CPU_SLACK_S)
        if writes_files:
            _set_soft(resource.RLIMIT_FSIZE, limits.files)

    def _bound_memory(self, size: int) -> None:
        used = int(os.pread(self._statm, 128, 0).split()[_DATA_FIELD]) * _PAGE_BYTES
        _set_soft(resource.RLIMIT_DATA, used + size)


def _set_soft(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
