"""Accepting connections for as long as a process runs, also where it is out of descriptors for a while."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeVar

import anyio

PAUSE_SECONDS: Final = 0.1

_log = logging.getLogger(__name__)

S = TypeVar("S")


async def accept_each(accept: Callable[[], Awaitable[S]], start: Callable[[S], object], whose: str) -> NoReturn:
    """Accept one connection after the other, until cancelled.

    Where none can be accepted, most likely for want of descriptors, there is a pause and another try: connections that
    end give some back.  A warning says so once, until it goes on.

    Args:
        accept: waits for the next connection, as the ``accept`` of a listener does.
        start: starts a task that answers the connection.
        whose: whose connections these are, for the warning.
    """
    failing = False
    while True:
        try:
            connection = await accept()
        except (OSError, anyio.BrokenResourceError) as error:
            if not failing:
                _log.warning("cannot accept a connection of %s: %s", whose, error.__cause__ or error)
            failing = True
            await anyio.sleep(PAUSE_SECONDS)
        else:
            failing = False
            start(connection)
