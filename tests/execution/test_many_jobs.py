"""A thousand jobs, a tenth of them hostile: none is lost, and nothing is left of any."""

from __future__ import annotations

import gc
import itertools
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from execution.conftest import MakeJob, Start

from jobs import EXIT, FLOOD, LOOP, UNREACHABLE
from plasm import Job, Limits
from plasm.errors import InvalidModule
from plasm.jobs.sinks import CollectingSink

pytestmark = pytest.mark.once

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_LOOP = '(module (func $spin (loop br 0)) (start $spin) (func (export "_start")))'
MEMORY_BOMB = """(module (memory (export "memory") 1)
    (func (export "_start") (loop (br_if 0 (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable))"""
HUGE_MINIMUM = '(module (memory (export "memory") 60000) (func (export "_start")))'
RECURSION = '(module (func $deeper (call $deeper)) (func (export "_start") (call $deeper)))'
NOT_A_COMMAND = '(module (func (export "add")))'


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_thousand_jobs_of_which_a_tenth_is_hostile(
    start: Start, job: MakeJob, hello: Path, tmp_path: Path, plasm_home: Path
) -> None:
    short, small = Limits(wall_time=30), Limits(memory=2**24, output=10_000)
    honest = [job(hello, "abc"), job(EXIT % 0)]
    hostile = itertools.cycle(
        [
            *(job(text, limits=short) for text in (LOOP, START_LOOP)),
            *(job(text, limits=small) for text in (FLOOD, MEMORY_BOMB, HUGE_MINIMUM)),
            *(job(text) for text in (RECURSION, UNREACHABLE, NOT_A_COMMAND)),
        ]
    )
    jobs = [next(hostile) if number % 10 == 9 else honest[number % 2] for number in range(1000)]
    files = sorted(tmp_path.rglob("*"))

    with start("wasmtime", workers=2, waiting=1000) as executor:

        def run(each: Job) -> str:
            try:
                return executor.run(each, CollectingSink()).outcome.kind.value
            except InvalidModule as error:
                return error.code

        with ThreadPoolExecutor(4) as threads:
            ends = Counter(threads.map(run, jobs[:100]))
            memory, descriptors = resident(), len(os.listdir("/proc/self/fd"))
            ends.update(threads.map(run, jobs[100:]))
        assert resident() < memory * 1.1
        assert len(os.listdir("/proc/self/fd")) <= descriptors
        assert children() == set(map(str, executor.worker_pids))
        assert len(executor.worker_pids) == 2
    assert children() == set()
    assert ends == {
        "exited": 900,
        "timed-out": 26,
        "output-limit": 13,
        "out-of-memory": 12,
        "trapped": 37,
        "invalid-module": 12,
    }
    left = {path for path in tmp_path.rglob("*") if "artifacts" not in path.parts} - set(files)
    assert left <= {plasm_home, *plasm_home.rglob("*")}
