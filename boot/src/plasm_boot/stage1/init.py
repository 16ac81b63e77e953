"""Process 1: keeps the machine alive around the process that boots it.

Everything else happens in a child, so that whatever ends it, memory that ran out or a fault in a library, leads to its
successor's rescue menu instead of a kernel panic.  Orphans are reaped here.
"""

from __future__ import annotations

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

_CRASHED = 70  # EX_SOFTWARE
_WORST_CANDIDATE = "1000"


def main() -> NoReturn:
    """Boot the machine, in as many processes as it takes; never returns."""
    # The keys for it reboot the machine by the kernel; what a console sends is for the menu.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mount_kernel_folders()
    # Importing the rest takes seconds on a slow machine; whoever watches sees that it lives.
    Console(Consoles.of_this_machine().write, time.monotonic).step("Phase Boot")
    crash: str | None = None
    while True:
        child = os.fork()
        if not child:
            _work(crash)
        crash = ending(_reap_until(child))


def ending(status: int) -> str:
    """How a process ended that should not have, from the status that wait(2) gives."""
    if os.WIFSIGNALED(status):
        return f"stage 1 was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"stage 1 ended with status {os.WEXITSTATUS(status)}"


def _work(crash: str | None) -> NoReturn:
    try:
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_WORST_CANDIDATE)
        from plasm_boot.stage1.attempts import keep_trying

        keep_trying(crash)
    except BaseException:
        traceback.print_exc()
        os._exit(_CRASHED)


def _reap_until(child: int) -> int:
    """Reap every process that ends until ``child`` does; returns its status."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return status
