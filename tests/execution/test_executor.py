"""The executor: one job after another in a worker that can always be ended."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from execution.conftest import ENDLESS, LAX_RUNTIME, MakeJob, Start, doing

from jobs import EXIT, FLOOD, LOOP
from plasm import Cancellation, Limits, Outcome, OutcomeKind
from plasm.errors import InvalidModule, LimitNotEnforceable, PluginNotFound, UnreadableInput
from plasm.execution.parent.executor import Executor
from plasm.jobs.sinks import CollectingSink


class StoppingSink:
    """Takes ``amount`` bytes, tells that the job runs, and asks it to stop."""

    def __init__(self, amount: int = 0) -> None:
        self.running = threading.Event()
        self.taken = 0
        self._amount = amount

    def write(self, stream: str, data: bytes) -> bool:
        self.running.set()
        self.taken += len(data)
        return self.taken < self._amount


def test_output_is_delivered_and_hashed(executor: Executor, job: MakeJob, hello: Path) -> None:
    sink = CollectingSink()
    report = executor.run(job(hello, "abc"), sink)
    assert report.outcome == Outcome.exited(0)
    assert sink.content("stdout") == b"cba\n"
    assert report.stdout == hashlib.sha256(b"cba\n").hexdigest()
    assert report.stderr == hashlib.sha256(b"").hexdigest()
    assert report.runtime_name == "wasmtime"
    assert report.started_us <= report.finished_us


def test_a_worker_serves_many_jobs(executor: Executor, job: MakeJob, hello: Path) -> None:
    pids = set()
    for number in range(50):
        sink = CollectingSink()
        executor.run(job(hello, str(number)), sink)
        assert sink.content("stdout") == str(number)[::-1].encode() + b"\n"
        assert executor.worker_pid is not None
        pids.add(executor.worker_pid)
    assert len(pids) == 1


def test_stdin_of_ten_megabytes(executor: Executor, job: MakeJob, hello: Path) -> None:
    data = b"0123456789abcde\n" * (10 * 2**16)
    sink = CollectingSink()
    report = executor.run(job(hello), sink, stdin=data)
    assert sink.content("stdout") == b"edcba9876543210\n" * (10 * 2**16)
    assert report.stdin == hashlib.sha256(data).hexdigest()
    assert report.stdin_size == len(data)


def test_the_input_of_a_deterministic_job_is_not_left_to_the_next(
    start: Start, plugin: Callable[..., None], job: MakeJob, hello: Path
) -> None:
    plugin("plasm.runtime", "lax", doing('os.write(call.stdout, open(f"/proc/self/fd/{call.stdin}", "rb").read())'))
    with start("lax") as executor:
        for data in (b"a long first input", b"short", b"as long as before"):
            sink = CollectingSink()
            executor.run(job(hello, deterministic=True), sink, stdin=data)
            assert sink.content("stdout") == data
        assert len(executor.worker_pids) == 1


def test_stdin_that_nobody_reads_is_hashed_whole(executor: Executor, job: MakeJob) -> None:
    data = bytes(5 * 2**20)
    for _ in range(3):
        report = executor.run(job(EXIT % 3), CollectingSink(), stdin=data)
        assert report.outcome == Outcome.exited(3)
        assert report.stdin == hashlib.sha256(data).hexdigest()


def test_stdin_from_a_pipe_is_passed_on_as_it_comes(executor: Executor, job: MakeJob, hello: Path) -> None:
    read, write = os.pipe()

    class Conversation(CollectingSink):
        """Writes the second line when the first has come back."""

        def write(self, stream: str, data: bytes) -> bool:  # type: ignore[override]
            if self.content("stdout") == b"":
                os.write(write, b"second\n")
                os.close(write)
            return super().write(stream, data)  # type: ignore[arg-type]

    os.write(write, b"first\n")
    sink = Conversation()
    report = executor.run(job(hello), sink, stdin=read)
    os.close(read)
    assert sink.content("stdout") == b"tsrif\ndnoces\n"
    assert report.stdin == hashlib.sha256(b"first\nsecond\n").hexdigest()


def test_a_pipe_that_stays_open_does_not_hold_up_the_end(executor: Executor, job: MakeJob) -> None:
    read, write = os.pipe()
    for _ in range(2):
        assert executor.run(job(EXIT % 5), CollectingSink(), stdin=read).outcome == Outcome.exited(5)
    os.close(read)
    os.close(write)


def test_a_folder_is_no_stdin(executor: Executor, job: MakeJob, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(UnreadableInput):
        executor.run(job(EXIT % 0), CollectingSink(), stdin=descriptor)
    os.close(descriptor)


def test_a_loop_ends_at_its_deadline(executor: Executor, job: MakeJob) -> None:
    report = executor.run(job(LOOP, limits=Limits(wall_time=50)), CollectingSink())
    assert report.outcome.kind is OutcomeKind.TIMED_OUT
    assert report.usage.wall_time_us >= 50_000


def test_a_job_that_sleeps_ends_at_its_deadline(executor: Executor, job: MakeJob) -> None:
    sleeper = """
        (module
          (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (func (export "_start")
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const 3600000000000))
            (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))
    """
    report = executor.run(job(sleeper, limits=Limits(wall_time=50)), CollectingSink())
    assert report.outcome.kind is OutcomeKind.TIMED_OUT


def test_a_job_that_waits_for_stdin_ends_at_its_deadline(executor: Executor, job: MakeJob, hello: Path) -> None:
    read, write = os.pipe()
    report = executor.run(job(hello, limits=Limits(wall_time=50)), CollectingSink(), stdin=read)
    assert report.outcome.kind is OutcomeKind.TIMED_OUT
    os.close(read)
    os.close(write)


def test_the_next_job_runs_after_one_that_timed_out(executor: Executor, job: MakeJob, hello: Path) -> None:
    executor.run(job(LOOP, limits=Limits(wall_time=50)), CollectingSink())
    assert executor.run(job(hello, "x"), CollectingSink()).outcome == Outcome.exited(0)


def test_a_flood_stops_at_the_output_limit(executor: Executor, job: MakeJob) -> None:
    sink = CollectingSink()
    report = executor.run(job(FLOOD, limits=Limits(output=100_000)), sink)
    assert report.outcome.kind is OutcomeKind.OUTPUT_LIMIT
    assert report.truncated == ("stdout",)
    content = sink.content("stdout")
    assert len(content) == 100_000
    assert report.stdout == hashlib.sha256(content).hexdigest()


def test_a_sink_that_has_had_enough_stops_the_job(executor: Executor, job: MakeJob) -> None:
    report = executor.run(job(FLOOD, limits=ENDLESS), StoppingSink(1000))
    assert report.outcome.kind is OutcomeKind.CANCELLED
    assert report.truncated == ("stdout",)


def test_a_sink_that_fails_ends_the_job_and_the_next_one_runs(executor: Executor, job: MakeJob, hello: Path) -> None:
    class Broken:
        def write(self, stream: str, data: bytes) -> bool:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        executor.run(job(FLOOD, limits=ENDLESS), Broken())
    assert executor.run(job(hello, "x"), CollectingSink()).outcome == Outcome.exited(0)


def test_cancelling_from_another_thread_stops_a_running_job(executor: Executor, job: MakeJob) -> None:
    sink = StoppingSink(2**40)
    with Cancellation() as cancellation:
        waiter = threading.Thread(target=lambda: (sink.running.wait(), cancellation.cancel()))
        waiter.start()
        report = executor.run(job(FLOOD, limits=ENDLESS), sink, cancellation=cancellation)
        waiter.join()
    assert report.outcome.kind is OutcomeKind.CANCELLED


def test_a_job_cancelled_before_it_starts_does_not_run(executor: Executor, job: MakeJob) -> None:
    with Cancellation() as cancellation:
        cancellation.cancel()
        report = executor.run(job(LOOP, limits=ENDLESS), CollectingSink(), cancellation=cancellation)
    assert report.outcome.kind is OutcomeKind.CANCELLED


def test_a_job_cancelled_while_its_module_is_prepared_gets_no_more_time(
    start: Start, plugin: Callable[..., None], job: MakeJob, hello: Path
) -> None:
    """A worker that hears of the cancellation and goes on all the same is killed, though it says that it now runs."""
    deaf = LAX_RUNTIME.replace(
        "def compile(self, module, terms): return module",
        "def compile(self, module, terms): import threading; self.told = threading.Event(); "
        "import os; os.write(5, b'preparing'); self.told.wait(); return module",
    ).replace("def interrupt(self): pass", "def interrupt(self): self.told.set()")
    deaf = deaf.replace("return Execution(", "import threading; threading.Event().wait(); return Execution(")
    plugin("plasm.runtime", "lax", deaf)
    with start("lax") as executor, Cancellation() as cancellation:

        class Canceller(CollectingSink):
            def write(self, stream: str, data: bytes) -> bool:  # type: ignore[override]
                cancellation.cancel()
                return True

        report = executor.run(job(hello, limits=ENDLESS), Canceller(), cancellation=cancellation)
    assert report.outcome.kind is OutcomeKind.CANCELLED


def test_a_worker_that_is_killed_is_a_crash_and_is_replaced(executor: Executor, job: MakeJob, hello: Path) -> None:
    class Killer(CollectingSink):
        def write(self, stream: str, data: bytes) -> bool:  # type: ignore[override]
            assert executor.worker_pid is not None
            os.kill(executor.worker_pid, signal.SIGKILL)
            return True

    report = executor.run(job(FLOOD, limits=ENDLESS), Killer())
    assert report.outcome.kind is OutcomeKind.CRASHED
    assert executor.run(job(hello, "x"), CollectingSink()).outcome == Outcome.exited(0)


def test_a_refused_module_does_not_cost_the_worker(start: Start, job: MakeJob, hello: Path) -> None:
    with start("wasmtime") as executor:
        executor.run(job(hello, "x"), CollectingSink())
    with start("wasmtime") as executor:
        pids = executor.worker_pids
        with pytest.raises(InvalidModule, match="_start"):
            executor.run(job('(module (func (export "add")))'), CollectingSink(), stdin=b"unread")
        executor.run(job(hello, "x"), CollectingSink())
        assert executor.worker_pids == pids


def test_a_runtime_that_is_not_there_is_told_by_name(start: Start, job: MakeJob, hello: Path) -> None:
    with start("nosuch") as executor, pytest.raises(PluginNotFound, match="nosuch"):
        executor.run(job(hello, "x"), CollectingSink())


def test_a_limit_that_nobody_keeps_refuses_the_job(
    start: Start, plugin: Callable[..., None], job: MakeJob, hello: Path
) -> None:
    plugin("plasm.runtime", "lax", LAX_RUNTIME)
    with start("lax") as executor:
        assert executor.run(job(hello, "x"), CollectingSink()).outcome == Outcome.exited(9)
        with pytest.raises(LimitNotEnforceable, match="fuel"):
            executor.run(job(hello, "x", limits=Limits(fuel=5)), CollectingSink())


@pytest.mark.parametrize(
    "misbehaviour",
    [
        "os.abort()",
        "os._exit(0)",
        "os.write(4, b'garbage' * 100)",
        "os.write(4, b'1' + (2**31).to_bytes(4, 'little'))",
        "os.write(4, b'R' + (2).to_bytes(4, 'little') + b'[]')",
        "os.write(4, b'R' + (2).to_bytes(4, 'little') + b'{}')",
        "os.write(4, b'R' + (9).to_bytes(4, 'little') + b'{\"kind\":1')",
        "os.write(4, b'E' + (2).to_bytes(4, 'little') + b'{}')",
        "raise SystemExit",
        "1 / 0",
    ],
)
def test_a_worker_that_breaks_the_protocol_is_a_crash(
    start: Start,
    plugin: Callable[..., None],
    job: MakeJob,
    hello: Path,
    misbehaviour: str,
) -> None:
    broken = LAX_RUNTIME.replace("return Execution(", f"import os; {misbehaviour}; return Execution(")
    plugin("plasm.runtime", "lax", broken)
    with start("lax") as executor:
        report = executor.run(job(hello, "x", limits=Limits(output=100_000)), CollectingSink())
        assert report.outcome.kind is OutcomeKind.CRASHED


@pytest.mark.parametrize(
    "more",
    [
        "b'R' + (2).to_bytes(4, 'little') + b'{}'",
        "b'x' + (0).to_bytes(4, 'little')",
        "b'x' + (2**31).to_bytes(4, 'little')",
    ],
)
def test_a_worker_that_talks_on_after_its_job_gets_no_other(
    start: Start, plugin: Callable[..., None], job: MakeJob, hello: Path, more: str
) -> None:
    result = (
        b'{"kind": "exited", "exit_code": 8, "trap": null, "wall_time_us": 1, "cpu_time_us": 1, '
        b'"peak_memory": null, "fuel": null}'
    )
    both = f"b'R' + ({len(result)}).to_bytes(4, 'little') + {result!r} + {more}"
    broken = LAX_RUNTIME.replace("return Execution(", f"import os; os.write(4, {both}); return Execution(")
    plugin("plasm.runtime", "lax", broken)
    with start("lax") as executor:
        pids = executor.worker_pids
        for _ in range(2):
            report = executor.run(job(hello, "x"), CollectingSink())
            assert report.outcome == Outcome.exited(8)
            assert executor.worker_pids != pids
            pids = executor.worker_pids


def test_a_sinks_own_error_is_not_taken_for_the_workers_end(executor: Executor, job: MakeJob, hello: Path) -> None:
    class Broken:
        def write(self, stream: str, data: bytes) -> bool:
            raise EOFError("the sink's own")

    with pytest.raises(EOFError, match="the sink's own"):
        executor.run(job(hello, "x"), Broken())
    assert executor.run(job(hello, "x"), CollectingSink()).outcome == Outcome.exited(0)


def test_a_runtime_that_cannot_be_interrupted_is_killed(
    start: Start, plugin: Callable[..., None], job: MakeJob, hello: Path
) -> None:
    deaf = LAX_RUNTIME.replace("return Execution(", "import threading; threading.Event().wait(); return Execution(")
    plugin("plasm.runtime", "lax", deaf)
    with start("lax") as executor:
        report = executor.run(job(hello, "x", limits=Limits(wall_time=50)), CollectingSink())
    assert report.outcome.kind is OutcomeKind.TIMED_OUT


def test_a_hundred_jobs_leak_no_descriptor(executor: Executor, job: MakeJob, hello: Path) -> None:
    executor.run(job(hello, "x"), CollectingSink())

    def count() -> int:
        return len(os.listdir("/proc/self/fd")) + len(os.listdir(f"/proc/{executor.worker_pid}/fd"))

    before = count()
    for _ in range(100):
        executor.run(job(hello), CollectingSink(), stdin=b"abc\n")
    # A thread of the engine's that read the last job's stdin may still hold on to it for a moment.
    assert count() <= before + 2
