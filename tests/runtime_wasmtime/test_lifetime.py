"""A worker process that runs many jobs keeps nothing of them, and the plugin costs nothing until it is used."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import Guest, command, wat

import plasm_runtime_wasmtime as plugin
from plasm.contracts import Call, Runtime, Terms
from plasm.model import Invocation, Limits, Outcome

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_naming_the_plugin_does_not_import_the_engine() -> None:
    code = "import plasm_runtime_wasmtime, sys; sys.exit('wasmtime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_thousand_jobs_leave_nothing_behind(runtime: Runtime) -> None:
    touching = Guest().then("(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))").wasm()
    compiled = runtime.compile(touching, Terms(Limits()))
    call = Call(Invocation(("some", "arguments"), {"A": "B"}), 1, 2)

    def jobs(count: int) -> None:
        for _ in range(count):
            assert runtime.execute(compiled, call, Terms(Limits())).outcome == Outcome.exited(0)

    jobs(50)
    memory, descriptors, threads = resident(), open_descriptors(), threading.active_count()
    jobs(1000)
    assert resident() - memory < 2 * 2**20
    assert open_descriptors() <= descriptors
    assert threading.active_count() <= threads


def test_jobs_with_input_leave_no_descriptor_and_no_thread(run: Run) -> None:
    run(Guest().read().wasm(), stdin=b"warm")
    descriptors, threads = open_descriptors(), threading.active_count()
    for _ in range(20):
        assert run(Guest().read().wasm(), stdin=b"x" * 2**21).stdout
    assert open_descriptors() < descriptors + 10, "the engine closes its ends a moment later, but not that many"
    assert threading.active_count() == threads


def test_memory_is_fresh_for_every_job(run: Run, runtime: Runtime) -> None:
    compiled = runtime.compile(
        wat(
            """(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1) (global $g (mut i32) (i32.const 0)) (data (i32.const 8) "\\05")
            (func (export "_start") (local $seen i32)
              (local.set $seen (i32.add (i32.load (i32.const 0)) (i32.load8_u (i32.const 8))))
              (local.set $seen (i32.add (local.get $seen) (global.get $g)))
              (global.set $g (i32.const 1))
              (i32.store (i32.const 0) (i32.const 1))
              (i32.store8 (i32.const 8) (i32.const 9))
              (call $exit (local.get $seen)))"""
        ),
        Terms(Limits()),
    )
    outcomes = {runtime.execute(compiled, Call(Invocation(), 1, 2), Terms(Limits())).outcome for _ in range(5)}
    assert outcomes == {Outcome.exited(5)}


def test_two_runtimes_in_one_process_do_not_meddle(run: Run) -> None:
    other = plugin.plasm_runtime(None)  # type: ignore[arg-type]
    other.interrupt()
    assert run(command()).outcome == Outcome.exited(0)


def test_a_process_that_ran_jobs_ends_in_order() -> None:
    code = """
import os, plasm_runtime_wasmtime as plugin
import plasm_runtime_wasmtime as plugin
from plasm.contracts import Call, Terms
from plasm.model import Invocation, Limits
from runtime_wasmtime.guests import Guest
runtime = plugin.plasm_runtime(None)
compiled = runtime.compile(Guest().write("x").wasm(), Terms(Limits()))
for _ in range(20):
    runtime.execute(compiled, Call(Invocation(), 1, 2), Terms(Limits()))
"""
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent.parent)])
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"x" * 20, b"")
