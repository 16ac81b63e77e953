"""Worker processes of one runtime, kept ready: started before they are needed, replaced when they are spent."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

from plasm.errors import WorkerFailed
from plasm.execution.parent.process import Folders, WorkerProcess
from plasm.execution.parent.replies import RuntimeDescription
from plasm.execution.parent.spawn import Spawned, spawn_worker


class Pool:
    """So many ``workers``; ``started`` is one that is under way already.  May be used from several threads.

    ``restarts`` counts the workers that were started in place of others: of spent ones, and of idle ones that did not
    suit a job.

    Raises:
        WorkerFailed: no process can be started.
    """

    def __init__(self, runtime: str, workers: int, started: Spawned | None = None) -> None:
        self._runtime = runtime
        self._workers = workers
        self._lock = threading.Lock()
        self._closed = False
        self.restarts = 0
        self._all: set[WorkerProcess] = set()
        self._idle: list[WorkerProcess] = []
        try:
            if started is not None:
                self._idle.append(self._adopt(started))
            while len(self._idle) < workers:
                self._idle.append(self._start())
        except WorkerFailed:
            self.close()
            raise
        self.restarts = 0  # the first ones are in nobody's place

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers, for those who watch them."""
        with self._lock:
            return [worker.pid for worker in self._all]

    def take(self, folders: Folders) -> WorkerProcess:
        """A worker for a job with these folders: the one used last of those that suit, else a new one.

        Raises:
            WorkerFailed: no process can be started.
        """
        with self._lock:
            return self._pick(lambda worker: worker.suits(folders))

    def take_fresh(self) -> WorkerProcess:
        """A worker that has had no job.

        Raises:
            WorkerFailed: no process can be started.
        """
        with self._lock:
            return self._pick(lambda worker: worker.fresh)

    def describe(self, seconds: float) -> RuntimeDescription:
        """What the workers' runtime is and provides; waits for it to be loaded.

        Raises:
            WorkerFailed: it is not loaded in time, or no process can be started.
            PlasmError: it cannot be loaded.
        """
        worker = self.take_fresh()
        try:
            return worker.wait_until_ready(seconds)
        finally:
            self.give_back(worker)

    def give_back(self, worker: WorkerProcess) -> None:
        """Have ``worker``, whose job has ended, ready for another one, or a new worker in its place."""
        with self._lock:
            if worker.usable and not self._closed and not worker.has_grown():
                self._idle.append(worker)
                return
            self._end(worker)
            # One that never got ready would not do so now either.
            if worker.ready and not self._closed:
                self._refill()

    def close(self) -> None:
        """End the workers; one that has a job when it is given back."""
        with self._lock:
            self._closed = True
            for worker in self._idle:
                self._end(worker)
            self._idle.clear()

    def _pick(self, fits: Callable[[WorkerProcess], bool]) -> WorkerProcess:
        for worker in [worker for worker in self._idle if not worker.alive()]:
            self._idle.remove(worker)
            self._end(worker)
        picked = next((worker for worker in reversed(self._idle) if fits(worker)), None)
        if picked is not None:
            self._idle.remove(picked)
        elif len(self._all) >= self._workers and self._idle:
            self._end(self._idle.pop(0))
        picked = picked or self._start()
        self._refill()
        return picked

    def _refill(self) -> None:
        with contextlib.suppress(WorkerFailed):  # whoever needs it tries again, and is told
            while len(self._all) < self._workers:
                self._idle.insert(0, self._start())

    def _start(self) -> WorkerProcess:
        try:
            worker = self._adopt(spawn_worker(self._runtime))
        except OSError as error:
            raise WorkerFailed(
                f"no worker process can be started: {os.strerror(error.errno or 0)}",
                hint="this machine's or this user's processes, memory or open files are used up",
            ) from None
        self.restarts += 1
        return worker

    def _adopt(self, started: Spawned) -> WorkerProcess:
        worker = WorkerProcess(started, self._runtime)
        self._all.add(worker)
        return worker

    def _end(self, worker: WorkerProcess) -> None:
        self._all.discard(worker)
        worker.close()
