"""The executor: gives each job to a worker process of its pool, so many at once and the others in their order."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from plasm.artifacts.cache import ArtifactCache
from plasm.execution.parent.conversation import PREPARATION_SECONDS
from plasm.execution.parent.job_run import JobRun
from plasm.execution.parent.pool import Pool
from plasm.execution.parent.process import folders_of
from plasm.execution.parent.replies import RuntimeDescription
from plasm.execution.parent.slots import Slots
from plasm.execution.parent.spawn import Spawned
from plasm.jobs.cancellation import Cancellation
from plasm.jobs.input import StdinSource
from plasm.jobs.job import Job, Report
from plasm.jobs.sinks import OutputSink


class Executor:
    """Runs jobs on the runtime called ``runtime``, at most ``workers`` of them at once and ``waiting`` in a queue.

    The worker processes are started at once.  A worker serves many jobs; after a kill, a crash or an interruption
    another takes its place.  May be used from several threads.  ``cache`` keeps compiled modules, for a worker itself
    touches no file.  ``started`` is a worker that was started earlier for this executor to take over.

    Raises:
        WorkerFailed: no process can be started.
    """

    def __init__(
        self,
        runtime: str,
        cache: ArtifactCache,
        *,
        workers: int = 1,
        waiting: int = 64,
        started: Spawned | None = None,
    ) -> None:
        self._cache = cache
        self._slots = Slots(workers, waiting)
        self._pool = Pool(runtime, workers, started)

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers, for those who watch them."""
        return self._pool.pids

    @property
    def worker_pid(self) -> int | None:
        """The first of :attr:`worker_pids`."""
        return next(iter(self._pool.pids), None)

    @property
    def worker_restarts(self) -> int:
        """How many workers were started in place of others so far."""
        return self._pool.restarts

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker now."""
        return self._slots.waiting

    def has_room(self) -> bool:
        """Whether a job would be run or wait, and not be refused, as things are now."""
        return self._slots.has_room()

    def describe(self) -> RuntimeDescription:
        """What the runtime is, keeps and provides; waits for a worker to have loaded it.

        Raises:
            PlasmError: the runtime cannot be loaded.
        """
        return self._pool.describe(PREPARATION_SECONDS)

    def run(
        self,
        job: Job,
        sink: OutputSink,
        *,
        stdin: bytes | int | None = None,
        cancellation: Cancellation | None = None,
        started: Callable[[], None] | None = None,
    ) -> Report:
        """Run ``job``, passing its output to ``sink`` as it comes; ``stdin`` is bytes, a descriptor or nothing.
        ``started`` is called when it has a worker.

        Raises:
            QueueFull: too many jobs are waiting already.
            JobCancelled: ``cancellation`` came before a worker was free.
            PlasmError: the job was refused before it started, or cannot be run here; a job that was started ends
                in a report, whatever it did.
        """
        source = None if stdin is None or stdin == b"" else StdinSource(stdin)
        folders = folders_of(job)
        with self._slots.hold(cancellation):
            worker = self._pool.take(folders)
            if started is not None:
                started()
            while True:
                try:
                    report = JobRun(worker, folders, self._cache, job, sink, source, cancellation).run()
                finally:
                    self._pool.give_back(worker)
                if report is not None:
                    return report
                worker = self._pool.take_fresh()

    def close(self) -> None:
        """End the workers; one that has a job ends after it."""
        self._pool.close()

    def __enter__(self) -> Executor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
