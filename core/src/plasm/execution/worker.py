"""A worker process seen from its parent: it takes frames, gives frames, and can be ended at any time."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Final

from plasm.execution.frames import Decoder
from plasm.execution.spawn import WorkerHandle

_READ_BYTES: Final = 256 * 2**10


class Worker:
    """Owns one worker process.

    ``usable`` turns false when it must not be given another job.  ``ready`` tells whether it has loaded its
    runtime, whose name and version are then in ``runtime_name`` and ``runtime_version``.
    """

    def __init__(self, handle: WorkerHandle) -> None:
        self._handle = handle
        self._decoder = Decoder()
        os.set_blocking(handle.to_worker, False)
        self.usable = True
        self.ready = False
        self.runtime_name = handle.runtime
        self.runtime_version = "?"

    @property
    def pid(self) -> int:
        return self._handle.pid

    @property
    def receives_on(self) -> int:
        """The descriptor that becomes writable when the worker takes more."""
        return self._handle.to_worker

    @property
    def sends_on(self) -> int:
        """The descriptor that becomes readable when the worker has sent something, or has ended."""
        return self._handle.from_worker

    def send(self, data: memoryview) -> memoryview:
        """Pass on what the pipe takes; returns the rest."""
        try:
            return data[os.write(self._handle.to_worker, data) :]
        except BlockingIOError:
            return data
        except BrokenPipeError:
            return data[:0]

    def receive(self) -> Iterator[tuple[bytes, bytes]]:
        """The frames that have arrived.

        Raises:
            EOFError: the process has ended.
            FrameError: the process does not keep to the protocol.
        """
        data = os.read(self._handle.from_worker, _READ_BYTES)
        if not data:
            raise EOFError
        return self._decoder.feed(data)

    def interrupt(self) -> None:
        """Ask the runtime to stop its job; the worker is not used again, for the request might come late."""
        self.usable = False
        os.kill(self._handle.pid, signal.SIGUSR1)

    def kill(self) -> None:
        """End the process at once and forget it; harmless when repeated."""
        self.usable = False
        if self._handle.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._handle.pid, signal.SIGKILL)
            os.waitpid(self._handle.pid, 0)
            os.close(self._handle.to_worker)
            os.close(self._handle.from_worker)
            self._handle.pid = 0
