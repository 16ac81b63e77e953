"""Who may run now: so many at once, so many waiting, first come first served."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from plasm.errors import JobCancelled, QueueFull
from plasm.jobs.cancellation import Cancellation


class Slots:
    """``running`` holders at once and at most ``waiting`` more in a queue.  May be used from several threads."""

    def __init__(self, running: int, waiting: int) -> None:
        self._lock = threading.Lock()
        self._free = running
        self._most_waiting = waiting
        self._queue: deque[int] = deque()

    @property
    def waiting(self) -> int:
        """How many are in the queue now."""
        return len(self._queue)

    def has_room(self) -> bool:
        """Whether one more might hold a slot or wait for one, as it is now."""
        with self._lock:
            return bool(self._free) or len(self._queue) < self._most_waiting

    @contextmanager
    def hold(self, cancellation: Cancellation | None) -> Iterator[None]:
        """Hold a slot; waits for one while none is free.

        Raises:
            QueueFull: too many are waiting already.
            JobCancelled: ``cancellation`` came first.
        """
        self._acquire(cancellation)
        try:
            yield
        finally:
            self._release()

    def _acquire(self, cancellation: Cancellation | None) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if len(self._queue) >= self._most_waiting:
                raise QueueFull(
                    f"{len(self._queue)} jobs are waiting for a worker, and no more may",
                    hint="try again later, or allow more workers",
                )
            turn = os.eventfd(0, os.EFD_CLOEXEC)
            self._queue.append(turn)
        try:
            if not self._wait(turn, cancellation):
                raise JobCancelled("the job was cancelled while it waited for a worker")
        finally:
            os.close(turn)

    def _wait(self, turn: int, cancellation: Cancellation | None) -> bool:
        """Wait for ``turn``, and give up the place in the queue when ``cancellation`` comes first."""
        poll = select.poll()
        poll.register(turn, select.POLLIN)
        if cancellation is not None:
            poll.register(cancellation.descriptor, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll()]
        if turn in ready:
            return True
        with self._lock:
            if turn in self._queue:
                self._queue.remove(turn)
                return False
        self._release()  # it became our turn in the meantime
        return False

    def _release(self) -> None:
        with self._lock:
            if self._queue:
                os.eventfd_write(self._queue.popleft(), 1)
            else:
                self._free += 1
