"""A worker process seen from its parent: it takes frames, gives frames, and can be ended at any time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from plasm.execution.frames import Decoder
from plasm.execution.spawn import WorkerHandle

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream

_READ_BYTES: Final = 256 * 2**10


class Worker:
    """Owns one worker process.

    ``usable`` turns false when it must not be given another job.  ``ready`` tells whether it has loaded its
    runtime, whose name and version are then in ``runtime_name`` and ``runtime_version``.
    """

    def __init__(self, handle: WorkerHandle) -> None:
        self._handle = handle
        self._decoder = Decoder()
        for descriptor in (handle.to_worker, handle.stdout, handle.stderr):
            os.set_blocking(descriptor, False)
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

    @property
    def outputs(self) -> dict[int, Stream]:
        """The descriptors that the job's output arrives on."""
        return {self._handle.stdout: "stdout", self._handle.stderr: "stderr"}

    def read_output(self, descriptor: int) -> bytes:
        """What the job has written there and nobody has read; empty where there is nothing now."""
        try:
            return os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""

    def interrupt(self) -> None:
        """Ask the runtime to stop its job; the worker is not used again, for the request might come late."""
        self.usable = False
        os.kill(self._handle.pid, signal.SIGUSR1)

    def kill(self) -> None:
        """End the process at once; what it has written can still be read.  Harmless when repeated."""
        self.usable = False
        self._handle.kill()

    def close(self) -> None:
        """End the process and let go of its pipes; once."""
        self.kill()
        handle = self._handle
        for descriptor in (handle.to_worker, handle.from_worker, handle.stdout, handle.stderr):
            os.close(descriptor)
