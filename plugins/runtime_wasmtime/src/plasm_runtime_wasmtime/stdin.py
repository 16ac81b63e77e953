"""A job's standard input: all at once where it is short and there, else through a pipe as it comes.

The guest never gets the caller's descriptor.  The engine reads ahead in a thread that may outlive the job, and
would take from the descriptor what is not the job's; nor could a guest that waits there be stopped.
"""

from __future__ import annotations

import os
import select
import threading
import time
from types import TracebackType
from typing import Self

from plasm.errors import UnreadableInput
from wasmtime import WasiConfig

from plasm_runtime_wasmtime import capi
from plasm_runtime_wasmtime.descriptors import give
from plasm_runtime_wasmtime.job import Job

_CHUNK = 65536
_LARGEST_AT_ONCE = 2**20
_PATIENCE = 0.001
_LOOK_UP_MS = 20


class Stdin:
    """Standard input of one job, from ``source``.  Leave the context when the guest has ended.

    Raises:
        UnreadableInput: when ``source`` cannot be read: at once, or on leaving.
    """

    def __init__(self, source: int | None, job: Job) -> None:
        self._source = source
        self._job = job
        self._feed: Feed | None = None

    def attach(self, config: WasiConfig) -> None:
        """Give the guest what there is of it, and a pipe for the rest."""
        if self._source is None:
            return
        data, complete = _read_ready(self._source)
        if complete:
            capi.set_stdin(config, data)
            return
        self._feed = Feed(self._source, data, self._job)
        try:
            give(config, "stdin", self._feed.guest_end)
        finally:
            os.close(self._feed.guest_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._feed is not None:
            self._feed.close()
            if self._feed.failure is not None:
                raise self._feed.failure


class Feed:
    """A thread that moves ``first``, and then what ``source`` yields, into a pipe.

    ``guest_end`` is the caller's to close once the guest has opened it.
    """

    def __init__(self, source: int, first: bytes, job: Job) -> None:
        self.failure: UnreadableInput | None = None
        self.guest_end, self._end = os.pipe()
        self._asleep, self._alarm = os.pipe()
        os.set_blocking(self._end, False)
        self._source = source
        self._pending = first
        self._job = job
        self._thread = threading.Thread(target=self._run, name="plasm-wasmtime-stdin", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, whatever is left to move."""
        os.close(self._alarm)
        self._thread.join()
        os.close(self._asleep)

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except BrokenPipeError:
            pass
        except UnreadableInput as failure:
            self.failure = failure
            self._job.stop()
        finally:
            os.close(self._end)

    def _step(self) -> bool:
        poller = select.poll()
        poller.register(self._asleep, 0)
        poller.register(self._end, select.POLLOUT if self._pending else 0)
        if not self._pending:
            poller.register(self._source, select.POLLIN)
        ready = dict(poller.poll(_LOOK_UP_MS))
        if self._asleep in ready or self._job.stopped:
            return False
        if self._end in ready:
            self._pending = self._pending[os.write(self._end, self._pending) :]
        elif self._source in ready:
            self._pending = _read(self._source)
            return bool(self._pending)
        return True


def _read_ready(source: int) -> tuple[bytes, bool]:
    """What comes at once, and whether that is all."""
    parts: list[bytes] = []
    size, end, poller = 0, time.monotonic() + _PATIENCE, select.poll()
    poller.register(source, select.POLLIN)
    while size < _LARGEST_AT_ONCE and poller.poll(max(0.0, 1000 * (end - time.monotonic()))):
        part = _read(source)
        if not part:
            return b"".join(parts), True
        parts.append(part)
        size += len(part)
    return b"".join(parts), False


def _read(source: int) -> bytes:
    try:
        return os.read(source, _CHUNK)
    except OSError as error:
        raise UnreadableInput(f"standard input cannot be read: {error.strerror}") from None
