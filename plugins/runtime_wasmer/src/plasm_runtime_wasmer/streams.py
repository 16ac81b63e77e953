"""The job's standard streams, carried between the SDK's pipes and the executor's, each by a thread of its own.

Nothing is kept on the way: a pipe that nobody reads makes its thread wait, then the SDK's pipe fills up, then the job
waits.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wasmer_sdk import WasmerError

from plasm_runtime_wasmer.sdk import finish

if TYPE_CHECKING:
    from wasmer_sdk import ReadableBytes, WritableBytes

_READ_BYTES = 64 * 1024
_STACK_BYTES = 256 * 1024


class Outflow:
    """Writes what the job does to ``descriptor``; calls ``closed`` when nobody reads there any more."""

    def __init__(self, source: ReadableBytes, descriptor: int, closed: Callable[[], None]) -> None:
        self._source = source
        self._descriptor = descriptor
        self._closed = closed
        self._abandoned = False
        self._thread = _start(self._carry)

    def join(self) -> None:
        """Wait for the rest."""
        self._thread.join()

    def abandon(self, seconds: float) -> None:
        """Wait so long for the rest, and write nothing after that: a job that was killed may go on holding its end."""
        self._thread.join(seconds)
        self._abandoned = True

    def _carry(self) -> None:
        chunks = aiter(self._source)
        try:
            while data := finish(anext(chunks, b"")):
                view = memoryview(data)
                while view and not self._abandoned:
                    view = view[os.write(self._descriptor, view) :]
        except BrokenPipeError:
            self._closed()
            while finish(anext(chunks, b"")):
                pass


class Inflow:
    """Gives the job what can be read from ``descriptor`` as it comes."""

    def __init__(self, descriptor: int, target: WritableBytes) -> None:
        self._descriptor = descriptor
        self._target = target
        self._enough = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = _start(self._carry)

    def close(self) -> None:
        """Read no more; the job has ended."""
        os.eventfd_write(self._enough, 1)
        self._thread.join()
        os.close(self._enough)

    def _carry(self) -> None:
        ready = select.poll()
        ready.register(self._descriptor, select.POLLIN)
        ready.register(self._enough, select.POLLIN)
        try:
            while self._enough not in (descriptor for descriptor, _ in ready.poll()):
                data = os.read(self._descriptor, _READ_BYTES)
                if not data:
                    finish(self._target.close())
                    return
                finish(self._target.write(data))
        except WasmerError:
            pass  # the job has closed its end, or has ended


def _start(carry: Callable[[], None]) -> threading.Thread:
    """A thread with a small stack: the C library gives large ones that are left over to the SDK, which keeps them."""
    usual = threading.stack_size(_STACK_BYTES)
    try:
        thread = threading.Thread(target=carry, daemon=True)
        thread.start()
    finally:
        threading.stack_size(usual)
    return thread
