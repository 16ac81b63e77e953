"""Process 1: keeps the machine alive around the process that boots it.

Everything else happens in a child, so that whatever ends it, memory that ran out or a fault in a library, leads to its
successor's rescue menu instead of a kernel panic.  Orphans are reaped here.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from plasm_boot.linux.consoles import Consoles
from plasm_boot.linux.kernel_folders import mount_kernel_folders
from plasm_boot.stage1.console import Console

_AGAIN = 75  # EX_TEMPFAIL
_CRASHED = 70  # EX_SOFTWARE
_WORST_CANDIDATE = "1000"


def main() -> NoReturn:
    """Boot the machine, in as many attempts as it takes; never returns."""
    # The keys for it reboot the machine by the kernel; what a console sends is for the menu.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mount_kernel_folders()
    # Importing the rest takes seconds on a slow machine; whoever watches sees that it lives.
    Console(Consoles.of_this_machine().write, time.monotonic).step("Phase Boot")
    crash: str | None = None
    for failures in itertools.count():
        child = os.fork()
        if not child:
            _work(failures, crash)
        crash = ending(_reap_until(child))
    raise AssertionError("there is always another attempt")


def ending(status: int) -> str | None:
    """How an attempt ended that should not have, from the status that wait(2) gives; ``None``: it was in order."""
    if os.WIFSIGNALED(status):
        return f"stage 1 was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    code = os.WEXITSTATUS(status)
    return None if code == _AGAIN else f"stage 1 ended with status {code}"


def _work(failures: int, crash: str | None) -> NoReturn:
    try:
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_WORST_CANDIDATE)
        from plasm_boot.stage1.attempts import attempt

        attempt(failures, crash)
        os._exit(_AGAIN)
    except BaseException:
        # Whatever it was, this child must end here: above it is the loop of process 1.
        traceback.print_exc()
        os._exit(_CRASHED)


def _reap_until(child: int) -> int:
    """Reap every process that ends until ``child`` does; returns its status."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return status
