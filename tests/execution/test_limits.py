"""Every limit is kept for every runtime, by itself or from outside, and what a job used is measured from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from execution.conftest import MakeJob, Start, doing, folder
from runtime_wasmtime.guests import CREATE, RIGHT_TO_READ, RIGHT_TO_WRITE, Guest, Word

from jobs import EXIT, LOOP
from plasm import Job, Limits, Manifest, Outcome, OutcomeKind
from plasm.artifacts.modules import Module
from plasm.errors import InvalidModule
from plasm.execution.parent.executor import Executor
from plasm.jobs.sinks import CollectingSink
from plasm.model import Invocation

Install = Callable[..., None]


def writer(path: Path, size: int, files: int) -> Job:
    """A job that writes ``files`` files of ``size`` bytes each into the folder ``path``."""
    guest = Guest()
    for number in range(files):
        guest.open(f"file{number}", CREATE, RIGHT_TO_READ | RIGHT_TO_WRITE)
        for _ in range(size // 10_000):
            guest.write("x" * 10_000, Word(0))
        guest.call("fd_close", Word(0))
    given = (folder(path),)
    module = Module.of(guest.wasm())
    return Job(Manifest(module.digest, Invocation(mounts=[given[0].mount])), module, given)


def limited(job: Job, limits: Limits) -> Job:
    return Job(Manifest(job.module.digest, job.manifest.invocation, limits), job.module, job.preopens)


def test_processor_time_ends_a_job_that_computes(executor: Executor, job: MakeJob) -> None:
    report = executor.run(job(LOOP, limits=Limits(cpu_time=60)), CollectingSink())
    assert report.outcome == Outcome(OutcomeKind.OUT_OF_CPU_TIME)
    assert report.usage.cpu_time_us is not None
    assert report.usage.cpu_time_us >= 60_000


def test_processor_time_is_that_of_all_threads_of_any_runtime(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    spin = """
import threading
for _ in range(3):
    threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()
threading.Event().wait()
"""
    plugin("plasm.runtime", "lax", doing(spin))
    with start("lax") as executor:
        report = executor.run(job(hello, limits=Limits(cpu_time=60)), CollectingSink())
    assert report.outcome.kind is OutcomeKind.OUT_OF_CPU_TIME


def test_a_job_that_waits_uses_no_processor_time(executor: Executor, job: MakeJob, hello: Path) -> None:
    reading, writing = os.pipe()
    limits = Limits(cpu_time=50, wall_time=300)
    report = executor.run(job(hello, limits=limits), CollectingSink(), stdin=reading)
    os.close(reading)
    os.close(writing)
    assert report.outcome.kind is OutcomeKind.TIMED_OUT


def test_files_may_be_as_large_as_the_limit(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    job = limited(writer(tmp_path / "out", 20_000, 2), Limits(files=50_000))
    assert executor.run(job, CollectingSink()).outcome == Outcome.exited(0)
    assert [path.stat().st_size for path in (tmp_path / "out").iterdir()] == [20_000] * 2


def test_a_file_beyond_the_limit_ends_the_job(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    job = limited(writer(tmp_path / "out", 100_000, 1), Limits(files=25_000))
    report = executor.run(job, CollectingSink())
    assert report.outcome == Outcome(OutcomeKind.FILE_LIMIT)
    assert (tmp_path / "out" / "file0").stat().st_size <= 25_000


def test_many_files_together_end_a_job_beyond_the_limit(
    start: Start, plugin: Install, job: MakeJob, hello: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    plugin(
        "plasm.runtime",
        "lax",
        doing(
            """
import itertools
for number in itertools.count():
    with open(f"{call.preopens[0].host}/{number % 50}", "wb") as file: file.write(bytes(90_000))
"""
        ),
    )
    with start("lax") as executor:
        given = (folder(tmp_path / "out"),)
        report = executor.run(job(hello, limits=Limits(files=100_000), folders=given), CollectingSink())
    assert report.outcome == Outcome(OutcomeKind.FILE_LIMIT)


def test_memory_is_bounded_for_a_runtime_that_does_not_bound_it(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    grow = """
blocks = []
try:
    while len(blocks) < 4096: blocks.append(bytearray(2**20))
except MemoryError: os.write(call.stdout, str(len(blocks)).encode())
"""
    plugin("plasm.runtime", "lax", doing(grow))
    sink = CollectingSink()
    with start("lax") as executor:
        report = executor.run(job(hello, limits=Limits(memory=2**26)), sink)
    assert report.outcome == Outcome.exited(9)
    megabytes = int(sink.content("stdout"))
    assert 64 <= megabytes <= 64 + 256
    assert report.usage.peak_memory is not None
    assert report.usage.peak_memory >= megabytes * 2**20 * 0.9


def test_what_a_killed_job_used_is_told(start: Start, plugin: Install, job: MakeJob, hello: Path) -> None:
    plugin("plasm.runtime", "lax", doing("block = b'x' * 2**26\nwhile True: pass"))
    with start("lax") as executor:
        report = executor.run(job(hello, limits=Limits(wall_time=400)), CollectingSink())
    assert report.outcome.kind is OutcomeKind.TIMED_OUT
    assert report.usage.cpu_time_us is not None
    assert report.usage.cpu_time_us > 10_000
    assert report.usage.peak_memory is not None
    assert report.usage.peak_memory >= 2**26 * 0.8


def test_usage_is_counted_for_each_job_anew(executor: Executor, job: MakeJob) -> None:
    executor.run(job(LOOP, limits=Limits(cpu_time=300)), CollectingSink())
    report = executor.run(job(EXIT % 0), CollectingSink())
    assert report.usage.cpu_time_us is not None
    assert report.usage.cpu_time_us < 300_000


def test_a_worker_cannot_lie_about_limits_that_are_not_its_own(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    claim = "Execution(Outcome(OutcomeKind.TIMED_OUT))"
    source = "from plasm.model import OutcomeKind\n" + doing("pass").replace("Execution(Outcome.exited(9))", claim)
    plugin("plasm.runtime", "lax", source)
    with start("lax") as executor:
        assert executor.run(job(hello), CollectingSink()).outcome.kind is OutcomeKind.CRASHED


def test_a_module_made_to_exhaust_the_compiler_is_refused(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    bomb = doing("pass").replace("def compile(self, module, terms): return module", COMPILER_BOMB)
    plugin("plasm.runtime", "lax", bomb)
    with start("lax") as executor:
        with pytest.raises(InvalidModule, match="while it compiled"):
            executor.run(job(hello), CollectingSink())
        assert len(executor.worker_pids) == 1


COMPILER_BOMB = """def compile(self, module, terms):
        import ctypes, os
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        for _ in range(64):
            if not libc.malloc(ctypes.c_size_t(2**26)): os.abort()
        return module"""


def test_the_clock_of_the_machine_stepping_back_disturbs_nothing(
    executor: Executor, job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([2_000_000_000 * 10**9, 1_000_000_000 * 10**9])
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    report = executor.run(job(EXIT % 0), CollectingSink())
    assert report.finished_us >= report.started_us == 2_000_000_000 * 10**6
    assert report.usage.wall_time_us < 60 * 10**6
