"""The executor: owns worker processes and gives each job to one of them."""

from __future__ import annotations

import threading
from types import TracebackType

from plasm.artifacts.cache import ArtifactCache
from plasm.errors import WorkerFailed
from plasm.execution.cancellation import Cancellation
from plasm.execution.conversation import Conversation
from plasm.execution.job import Job, OutputSink, Report
from plasm.execution.spawn import WorkerHandle, start_worker
from plasm.execution.stdin import StdinSource
from plasm.execution.worker import Worker


class Executor:
    """Runs jobs on the runtime called ``runtime``, one at a time, in a worker that is started at once.

    A worker serves many jobs; after a kill, a crash or an interruption the next job gets a new one.  May be used
    from several threads.  ``cache`` keeps compiled modules, for a worker itself touches no file.  ``started`` is a
    worker that was started earlier for this executor to take over.
    """

    def __init__(self, runtime: str, cache: ArtifactCache, *, started: WorkerHandle | None = None) -> None:
        self._runtime = runtime
        self._cache = cache
        self._lock = threading.Lock()
        self._worker: Worker | None = Worker(started or _start(runtime))

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker, for those who watch it."""
        return self._worker.pid if self._worker is not None else None

    def run(
        self,
        job: Job,
        sink: OutputSink,
        *,
        stdin: bytes | int | None = None,
        cancellation: Cancellation | None = None,
    ) -> Report:
        """Run ``job``, passing its output to ``sink`` as it comes; ``stdin`` is bytes, a descriptor or nothing.

        Raises:
            PlasmError: the job was refused before it started, or cannot be run here; a job that was started ends
                in a report, whatever it did.
        """
        source = None if stdin is None or stdin == b"" else StdinSource(stdin)
        with self._lock:
            if self._worker is not None and not self._worker.usable:
                self._worker.close()
                self._worker = None
            if self._worker is None:
                self._worker = Worker(_start(self._runtime))
            return Conversation(self._worker, self._cache, job, sink, source, cancellation).run()

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def __enter__(self) -> Executor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _start(runtime: str) -> WorkerHandle:
    try:
        return start_worker(runtime)
    except OSError as error:
        raise WorkerFailed(f"no worker process can be started: {error.strerror}") from None
