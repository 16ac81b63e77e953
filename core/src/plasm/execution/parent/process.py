"""A worker process seen from its parent: it takes frames, gives frames, and can be ended at any time."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from plasm.errors import WorkerFailed
from plasm.execution import frames
from plasm.execution.parent.conversation import ended_while_loading
from plasm.execution.parent.metering import Meter
from plasm.execution.parent.replies import RuntimeDescription, description, refusal
from plasm.execution.parent.spawn import Spawned

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream
    from plasm.jobs.job import Job

_READ_BYTES: Final = 256 * 2**10
_LARGEST_GROWTH_BYTES: Final = 128 * 2**20

Folders = tuple[tuple[str, bool, int, int], ...]


class WorkerProcess:
    """Owns the worker process that was ``spawned`` and loads the runtime plugin called ``runtime_name``.

    ``usable`` turns false when it must not be given another job.  ``runtime`` is what it has said of its runtime,
    ``None`` while it loads it.  ``fresh`` is true until it gets a job: only what such a worker compiles is worth
    keeping, for a job that broke out of its runtime would still be in the process.  ``trace`` is the traceback of what
    ended it, as it says: at most :data:`~plasm.execution.frames.MAX_TRACE_BYTES`, for the author of its runtime.
    """

    def __init__(self, spawned: Spawned, runtime_name: str) -> None:
        self._spawned = spawned
        self.runtime_name = runtime_name
        self._decoder = frames.Decoder()
        self._unsent = memoryview(b"")
        for descriptor in (spawned.to_worker, spawned.stdout, spawned.stderr):
            os.set_blocking(descriptor, False)
        self._confined_to: Folders | None = None
        self._idle_bytes = 0
        self.meter = Meter(spawned.pid)
        self.usable = True
        self.fresh = True
        self.runtime: RuntimeDescription | None = None
        self.trace = ""

    @property
    def pid(self) -> int:
        return self._spawned.pid

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
        deadline, poll = time.monotonic() + seconds, select.poll()
        poll.register(self.sends_on, select.POLLIN)
        try:
            while self.runtime is None:
                if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    self.kill()
                    raise WorkerFailed(f"loading the runtime {self.runtime_name!r} took longer than {seconds:.0f} s")
                for tag, payload in self.receive():
                    if tag == frames.FAILED:
                        refused = refusal(payload)
                        refused.trace = self.trace
                        raise refused
                    if tag != frames.READY:
                        raise frames.FrameError(f"the frame {tag!r} of a worker without a job")
                    self.runtime = description(payload)
        except frames.FrameError:
            self.kill()
            failure = ended_while_loading(self.runtime_name)
            failure.trace = self.trace
            raise failure from None
        return self.runtime

    @property
    def receives_on(self) -> int:
        """The descriptor that becomes writable when the worker takes more."""
        return self._spawned.to_worker

    @property
    def sends_on(self) -> int:
        """The descriptor that becomes readable when the worker has sent something, or has ended."""
        return self._spawned.from_worker

    @property
    def outputs(self) -> dict[int, Stream]:
        """The descriptors that the job's output arrives on."""
        return {self._spawned.stdout: "stdout", self._spawned.stderr: "stderr"}

    @property
    def ended_by(self) -> int:
        """The signal that ended the process, once it has been killed or has ended by itself."""
        return self._spawned.ended_by

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

    @property
    def unsent(self) -> bool:
        """Whether something waits for room in the pipe."""
        return bool(self._unsent)

    def send(self, tag: bytes, payload: bytes = b"") -> None:
        """Pass on one frame, or what the pipe takes of it now; :meth:`flush` passes on the rest."""
        self._unsent = memoryview(bytes(self._unsent) + frames.encode(tag, payload))
        self.flush()

    def flush(self) -> None:
        """Pass on what the pipe takes of what is unsent; nobody misses it where the process has ended."""
        try:
            self._unsent = self._unsent[os.write(self._spawned.to_worker, self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._unsent = memoryview(b"")

    def flush_within(self, seconds: float) -> bool:
        """Pass on all that is unsent; returns whether the process took it in time."""
        deadline, poll = time.monotonic() + seconds, select.poll()
        poll.register(self.receives_on, select.POLLOUT)
        while self._unsent and poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            self.flush()
        return not self._unsent

    def receive(self) -> Iterator[tuple[bytes, bytes]]:
        """The frames about a job that have arrived; a trace is kept.

        Raises:
            FrameError: the process has ended, or does not keep to the protocol.
        """
        data = os.read(self._spawned.from_worker, _READ_BYTES)
        if not data:
            raise frames.FrameError("the end of the process")
        for tag, payload in self._decoder.feed(data):
            if tag == frames.TRACE:
                self.trace = payload[-frames.MAX_TRACE_BYTES :].decode("utf-8", "replace")
            else:
                yield tag, payload

    def read_output(self, descriptor: int) -> bytes:
        """What the job has written there and nobody has read; empty where there is nothing now."""
        try:
            return os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""

    def interrupt(self) -> None:
        """Ask the runtime to stop its job; the worker is not used again, for the request might come late."""
        self.usable = False
        os.kill(self._spawned.pid, signal.SIGUSR1)

    def kill(self) -> None:
        """End the process at once; what it has written can still be read.  Harmless when repeated."""
        self.usable = False
        self._spawned.kill()

    def close(self) -> None:
        """End the process and let go of its pipes; once."""
        self.kill()
        self.meter.close()
        ours = self._spawned
        for descriptor in (ours.to_worker, ours.from_worker, ours.stdout, ours.stderr):
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
