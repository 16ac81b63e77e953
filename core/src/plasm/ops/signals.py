"""Signals that a person or a service sends to a command that has a job running."""

from __future__ import annotations

import signal
from collections.abc import Callable


def cancel_on_signals(cancel: Callable[[], None]) -> list[int]:
    """Have Ctrl-C and a polite kill call ``cancel`` instead of ending us; returns a list that will hold the signal."""
    caught: list[int] = []

    def heed(number: int, _frame: object) -> None:
        caught.append(number)
        cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, heed)
    return caught
