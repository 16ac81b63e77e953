"""What the SDK keeps of finished jobs is not charged to the next one.

The SDK starts a thread for each job until it has a hundred a processor, at least two hundred, and never ends one; each
holds 3 MiB for its stacks.  A worker's private memory is bounded (``RLIMIT_DATA``) by what it was before the first of
its jobs that had the same limit.  So after some dozens of jobs there would be no room for another thread, and the
SDK does not survive that.
"""

from __future__ import annotations

import contextlib
import os
import resource

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_DATA_FIELD = 5


class Allowance:
    """The bound of this process's private memory.  Made before the process loses sight of ``/proc``."""

    def __init__(self) -> None:
        self._statm: int | None = None
        with contextlib.suppress(OSError):
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._bound = self._kept = 0

    def renew(self) -> None:
        """Raise the bound by what has been kept since the last call, where nobody else has set it meanwhile."""
        bound, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if self._statm is None or bound == resource.RLIM_INFINITY:
            return
        kept = int(os.pread(self._statm, 128, 0).split()[_DATA_FIELD]) * _PAGE_BYTES
        if bound == self._bound and kept > self._kept:
            bound += kept - self._kept
            bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
        self._bound, self._kept = bound, kept
