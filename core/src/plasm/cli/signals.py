"""Signals that a person or a service sends to a command that has a job running."""

from __future__ import annotations

import signal

from plasm.execution.cancellation import Cancellation


def cancel_on_signals(cancellation: Cancellation) -> list[int]:
    """Have Ctrl-C and a polite kill stop the job instead of us; returns a list that will hold the signal."""
    caught: list[int] = []

    def cancel(number: int, _frame: object) -> None:
        caught.append(number)
        cancellation.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, cancel)
    return caught
