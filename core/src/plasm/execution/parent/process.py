"""A worker process seen from its parent: it takes frames, gives frames, and can be ended at any time."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from plasm.errors import WorkerFailed
from plasm.execution.frames import FAILED, Decoder, FrameError
from plasm.execution.parent.metering import Meter
from plasm.execution.parent.replies import RuntimeDescription, description, refusal
from plasm.execution.parent.spawn import WorkerHandle

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream
    from plasm.jobs.job import Job

_READ_BYTES: Final = 256 * 2**10
_LARGEST_GROWTH_BYTES: Final = 128 * 2**20

Folders = tuple[tuple[str, bool, int, int], ...]


class Worker:
    """Owns one worker process.

    ``usable`` turns false when it must not be given another job.  ``runtime`` is what it has said of its runtime,
    ``None`` while it loads it.  ``fresh`` is true until it gets a job: only what such a worker compiles is worth
    keeping, for a job that broke out of its runtime would still be in the process.
    """

    def __init__(self, handle: WorkerHandle) -> None:
        self._handle = handle
        self._decoder = Decoder()
        for descriptor in (handle.to_worker, handle.stdout, handle.stderr):
            os.set_blocking(descriptor, False)
        self._confined_to: Folders | None = None
        self._idle_bytes = 0
        self.meter = Meter(handle.pid)
        self.usable = True
        self.fresh = True
        self.runtime: RuntimeDescription | None = None

    @property
    def pid(self) -> int:
        return self._handle.pid

    @property
    def ready(self) -> bool:
        """Whether it has loaded its runtime."""
        return self.runtime is not None

    def wait_until_ready(self, seconds: float) -> RuntimeDescription:
        """Wait for an idle worker to have loaded its runtime.

        Raises:
            WorkerFailed: it has not done so in time, or has ended.
            PlasmError: it cannot load the runtime.
        """
        poll = select.poll()
        poll.register(self.sends_on, select.POLLIN)
        while self.runtime is None:
            try:
                received = self.receive() if poll.poll(seconds * 1000) else ()
                for tag, payload in received:
                    if tag == FAILED:
                        raise refusal(payload)
                    self.runtime = description(payload)
                if not received:
                    raise EOFError
            except (EOFError, FrameError):
                self.kill()
                raise WorkerFailed("a worker process did not become ready", hint="run: plasm plugins --load") from None
        return self.runtime

    @property
    def receives_on(self) -> int:
        """The descriptor that becomes writable when the worker takes more."""
        return self._handle.to_worker

    @property
    def sends_on(self) -> int:
        """The descriptor that becomes readable when the worker has sent something, or has ended."""
        return self._handle.from_worker

    @property
    def outputs(self) -> dict[int, Stream]:
        """The descriptors that the job's output arrives on."""
        return {self._handle.stdout: "stdout", self._handle.stderr: "stderr"}

    @property
    def ended_by(self) -> int:
        """The signal that ended the process, once it has been killed or has ended by itself."""
        return self._handle.ended_by

    def alive(self) -> bool:
        """Whether the process is there."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def suits(self, folders: Folders) -> bool:
        """Whether a job with these folders can run here; the first job decides which a worker can see."""
        return self._confined_to is None or self._confined_to == folders

    def begin(self, folders: Folders) -> None:
        """Take note of a job that begins."""
        self._confined_to = folders
        self.fresh = False

    def has_grown(self) -> bool:
        """Whether the idle process has much more memory than after its first job."""
        resident = self.meter.resident()
        self._idle_bytes = self._idle_bytes or resident
        return resident > self._idle_bytes + _LARGEST_GROWTH_BYTES

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
        self.meter.close()
        handle = self._handle
        for descriptor in (handle.to_worker, handle.from_worker, handle.stdout, handle.stderr):
            os.close(descriptor)


def folders_of(job: Job) -> Folders:
    """What tells the folders of ``job`` from those of other jobs: a folder made anew under an old name is another."""
    found = []
    for preopen in job.preopens:
        try:
            status = os.stat(preopen.host)
        except OSError:
            found.append((preopen.host, preopen.mount.read_only, 0, 0))
        else:
            found.append((preopen.host, preopen.mount.read_only, status.st_dev, status.st_ino))
    return tuple(found)
