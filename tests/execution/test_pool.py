"""Several workers: so many jobs at once, the others in their order, and the pool whole again after every fault."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from execution.conftest import ENDLESS, LAX_RUNTIME, MakeJob, Start, doing

from jobs import FLOOD, LOOP, UNREACHABLE
from plasm import Cancellation, Limits, Outcome, OutcomeKind
from plasm.errors import JobCancelled, QueueFull, WorkerFailed
from plasm.execution.parent.slots import Slots
from plasm.jobs.cancellation import Cancellation as Request
from plasm.jobs.sinks import CollectingSink

Install = Callable[..., None]


class Gate(CollectingSink):
    """Tells when output comes, and then holds the job up until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.opened = threading.Event()

    def write(self, stream: str, data: bytes) -> bool:  # type: ignore[override]
        self.reached.set()
        assert self.opened.wait(60)
        return super().write(stream, data)  # type: ignore[arg-type]


def test_workers_are_started_before_they_are_needed(start: Start) -> None:
    with start("wasmtime", workers=3) as executor:
        assert len(set(executor.worker_pids)) == 3


def test_closing_leaves_no_process(start: Start, job: MakeJob, hello: Path) -> None:
    with start("wasmtime", workers=2) as executor:
        executor.run(job(hello, "x"), CollectingSink())
        pids = executor.worker_pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert executor.worker_pids == []


def test_as_many_jobs_run_at_once_as_there_are_workers(start: Start, job: MakeJob, hello: Path) -> None:
    with start("wasmtime", workers=2) as executor, ThreadPoolExecutor(2) as threads:
        gates = [Gate(), Gate()]
        running = [threads.submit(executor.run, job(hello, "x"), gate) for gate in gates]
        assert all(gate.reached.wait(60) for gate in gates)
        for gate in gates:
            gate.opened.set()
        assert [each.result().outcome for each in running] == [Outcome.exited(0)] * 2


def test_a_job_beyond_the_queue_is_refused(start: Start, job: MakeJob, hello: Path) -> None:
    with start("wasmtime", workers=1, waiting=0) as executor, ThreadPoolExecutor(1) as threads:
        gate = Gate()
        running = threads.submit(executor.run, job(hello, "x"), gate)
        assert gate.reached.wait(60)
        with pytest.raises(QueueFull, match="waiting"):
            executor.run(job(hello, "y"), CollectingSink())
        gate.opened.set()
        assert running.result().outcome == Outcome.exited(0)
        assert executor.run(job(hello, "y"), CollectingSink()).outcome == Outcome.exited(0)


def test_a_waiting_job_can_be_cancelled(start: Start, job: MakeJob, hello: Path) -> None:
    with start("wasmtime", workers=1) as executor, ThreadPoolExecutor(2) as threads, Cancellation() as cancellation:
        gate = Gate()
        running = threads.submit(executor.run, job(hello, "x"), gate)
        assert gate.reached.wait(60)
        waiting = threads.submit(executor.run, job(hello, "y"), CollectingSink(), cancellation=cancellation)
        cancellation.cancel()
        with pytest.raises(JobCancelled):
            waiting.result(60)
        assert executor.waiting == 0
        gate.opened.set()
        assert running.result().outcome == Outcome.exited(0)


def test_slots_are_given_in_the_order_of_asking() -> None:
    slots, order, asked = Slots(1, 10), [], threading.Semaphore(0)

    def ask(number: int) -> None:
        asked.release()
        with slots.hold(None):
            order.append(number)

    threads = []
    with slots.hold(None):
        for number in range(5):
            threads.append(threading.Thread(target=ask, args=(number,)))
            threads[-1].start()
            asked.acquire()
            while slots.waiting <= number:
                os.sched_yield()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_a_cancelled_place_in_the_queue_is_not_lost() -> None:
    slots = Slots(1, 10)
    with Request() as request:
        with slots.hold(None):
            request.cancel()
            with pytest.raises(JobCancelled), slots.hold(request):
                pass
        with slots.hold(None), pytest.raises(QueueFull):
            Slots(0, 0)._acquire(None)
    with slots.hold(None):
        pass


def test_a_worker_killed_in_the_middle_of_a_job_is_a_crash_and_the_pool_is_whole_again(
    start: Start, job: MakeJob, hello: Path
) -> None:
    with start("wasmtime", workers=2) as executor:

        class Killer(CollectingSink):
            def write(self, stream: str, data: bytes) -> bool:  # type: ignore[override]
                for pid in executor.worker_pids:
                    os.kill(pid, signal.SIGKILL)
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
                return True

        assert executor.run(job(FLOOD, limits=ENDLESS), Killer()).outcome.kind is OutcomeKind.CRASHED
        for _ in range(4):
            assert executor.run(job(hello, "x"), CollectingSink()).outcome == Outcome.exited(0)
        assert len(executor.worker_pids) == 2


def test_an_idle_worker_that_dies_costs_no_job(start: Start, job: MakeJob, hello: Path) -> None:
    with start("wasmtime") as executor:
        executor.run(job(hello, "x"), CollectingSink())
        for _ in range(3):
            (pid,) = executor.worker_pids
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            assert executor.run(job(hello, "x"), CollectingSink()).outcome == Outcome.exited(0)


def test_a_new_module_is_compiled_by_a_worker_that_has_run_nothing_else(
    start: Start, job: MakeJob, hello: Path, tmp_path: Path
) -> None:
    with start("wasmtime") as executor:
        executor.run(job(hello, "x"), CollectingSink())
        used = executor.worker_pids
        assert executor.run(job(UNREACHABLE), CollectingSink()).outcome.kind is OutcomeKind.TRAPPED
        assert executor.worker_pids != used
    assert len(list((tmp_path / "artifacts").iterdir())) == 2
    with start("wasmtime") as executor:
        used = executor.worker_pids
        executor.run(job(hello, "x"), CollectingSink())
        executor.run(job(UNREACHABLE), CollectingSink())
        assert executor.worker_pids == used, "both come out of the cache"


def test_a_worker_whose_memory_grows_is_replaced(start: Start, plugin: Install, job: MakeJob, hello: Path) -> None:
    plugin("plasm.runtime", "lax", "kept = []\n" + doing("kept.append(b'x' * 2**26)"))
    with start("lax") as executor:
        pids = set()
        for _ in range(6):
            assert executor.run(job(hello), CollectingSink()).outcome == Outcome.exited(9)
            pids.update(executor.worker_pids)
    assert len(pids) >= 2


@pytest.mark.parametrize("misbehaviour", ["os.abort()", "os.kill(os.getpid(), 11)", "os._exit(1)"])
def test_a_runtime_that_takes_its_process_down_is_replaced(
    start: Start, plugin: Install, job: MakeJob, hello: Path, misbehaviour: str
) -> None:
    plugin("plasm.runtime", "lax", doing(misbehaviour + "\nos.abort()"))
    with start("lax", workers=2) as executor:
        for _ in range(3):
            assert executor.run(job(hello), CollectingSink()).outcome.kind is OutcomeKind.CRASHED
        assert len(executor.worker_pids) == 2


def test_when_no_process_can_be_started_the_error_says_so_and_later_jobs_run(
    start: Start, job: MakeJob, hello: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start("wasmtime") as executor:
        with monkeypatch.context() as patch:

            def refuse(*_: object, **__: object) -> int:
                raise BlockingIOError(11, "Resource temporarily unavailable")

            patch.setattr(os, "posix_spawn", refuse)
            looped = executor.run(job(LOOP, limits=Limits(wall_time=50)), CollectingSink())
            assert looped.outcome.kind is OutcomeKind.TIMED_OUT
            with pytest.raises(WorkerFailed, match="Resource temporarily unavailable"):
                executor.run(job(hello, "x"), CollectingSink())
        assert executor.run(job(hello, "x"), CollectingSink()).outcome == Outcome.exited(0)


def test_running_out_of_descriptors_is_told_and_leaks_none(start: Start) -> None:
    import resource

    before = len(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 14, hard))
    try:
        with pytest.raises(WorkerFailed, match="Too many open files"):
            start("wasmtime", workers=100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_runtime_that_cannot_be_made_is_not_tried_again_and_again(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    plugin("plasm.runtime", "lax", LAX_RUNTIME.replace("return Lax()", "__import__('os')._exit(1)"))
    with start("lax") as executor:
        with pytest.raises(WorkerFailed, match="before it was ready"):
            executor.run(job(hello), CollectingSink())
        assert executor.worker_pids == []
