"""Running something asynchronous, which may take long, until it ends or a signal comes."""

from __future__ import annotations

import gc
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import anyio

from plasm.errors import PlasmError
from plasm.ops.concurrency import task_group

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run(main: Callable[[Unpack[Ts]], Awaitable[T]], *arguments: *Ts) -> T:
    """Run ``main`` on anyio; returns what it gives."""
    # The command began without a collection of garbage.  What is here by now stays for good and need not be looked at.
    gc.freeze()
    gc.enable()
    return anyio.run(main, *arguments, backend="trio")


def until_signal(main: Callable[[], Awaitable[T]]) -> tuple[T | None, int]:
    """Run ``main`` on anyio; returns what it gives and 0, or nothing and the signal that ended it."""
    caught = 0
    result: T | None = None

    async def guarded() -> None:
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
        run(guarded)
    except PlasmError:
        if not caught:  # what goes wrong after a signal goes wrong because of it
            raise
    return result, caught
