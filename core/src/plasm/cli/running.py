"""Running something asynchronous until it ends or a signal comes."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from plasm.concurrency import task_group
from plasm.errors import PlasmError

T = TypeVar("T")


def until_signal(main: Callable[[], Awaitable[T]]) -> tuple[T | None, int]:
    """Run ``main`` on anyio; returns what it gives and 0, or nothing and the signal that ended it."""
    caught = 0
    result: T | None = None

    async def run() -> None:
        nonlocal result
        async with task_group() as tasks:
            tasks.start_soon(listen, tasks.cancel_scope)
            result = await main()
            tasks.cancel_scope.cancel()

    async def listen(scope: anyio.CancelScope) -> None:
        nonlocal caught
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                caught = int(number)
                scope.cancel()

    try:
        anyio.run(run, backend="trio")
    except PlasmError:
        if not caught:  # what goes wrong after a signal goes wrong because of it
            raise
    return result, caught
