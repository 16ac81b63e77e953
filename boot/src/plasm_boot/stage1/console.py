"""What stage 1 tells whoever is at the machine: steps with the seconds since the kernel started, and progress.

A line of its own for each thing that happened, so that a serial log reads like the screen did.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from plasm.model.text import printable

_BAR_WIDTH: Final = 30
_SECONDS_BETWEEN_BARS: Final = 0.5
_MIB: Final = 1024 * 1024


class Console:
    """Tells by ``write``; ``clock`` gives the seconds since the kernel started.  Threads may share one."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._write = write
        self._clock = clock
        self._bar_shown = -_SECONDS_BETWEEN_BARS
        self._lock = threading.Lock()

    def step(self, text: str) -> None:
        """A line with the time before it."""
        self.say(f"[{self._clock():5.1f} s] {text}")

    def say(self, text: str) -> None:
        """A line.  Strings from elsewhere may be in it: what a terminal would obey is escaped."""
        with self._lock:
            self._write(f"{printable(text)}\r\n")

    def progress(self, name: str, done: int, total: int) -> None:
        """How much of ``name`` has come, in bytes; shown twice a second at most, and when it is complete."""
        now = self._clock()
        if done < total and now - self._bar_shown < _SECONDS_BETWEEN_BARS:
            return
        self._bar_shown = now
        self.say(f"           {bar(done, total)} {name}")


def bar(done: int, total: int) -> str:
    """``[=====>    ]  52 % of 120.4 MiB``; what came is never more than what was to come."""
    part = min(done, total) / total if total else 1.0
    filled = "=" * int(part * _BAR_WIDTH)
    head = ">" if part < 1 else ""
    return f"[{(filled + head).ljust(_BAR_WIDTH)[:_BAR_WIDTH]}] {int(part * 100):3d} % of {total / _MIB:.1f} MiB"
