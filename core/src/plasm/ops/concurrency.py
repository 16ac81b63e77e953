"""Structured concurrency whose errors come out as they are, not in groups.

The first error of any task ends all of them and is raised.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.abc

T = TypeVar("T")


@asynccontextmanager
async def task_group() -> AsyncIterator[anyio.abc.TaskGroup]:
    """A task group of anyio's."""
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        raise _first(group) from None


async def beside(main: Callable[[], Awaitable[T]], *background: Callable[[], Coroutine[Any, Any, None]]) -> T:
    """What ``main`` returns; ``background`` runs meanwhile and is cancelled when ``main`` ends."""
    async with task_group() as tasks:
        for each in background:
            tasks.start_soon(each)
        result = await main()
        tasks.cancel_scope.cancel()
    return result


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    cancelled = anyio.get_cancelled_exc_class()
    error: BaseException = group.subgroup(lambda each: not isinstance(each, (cancelled, BaseExceptionGroup))) or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
