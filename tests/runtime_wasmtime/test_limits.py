"""Memory and fuel are bounded and measured, from instantiation on."""

from __future__ import annotations

from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import wat

from plasm.contracts import Runtime
from plasm.model import LimitKind, Outcome, OutcomeKind

PAGE = 65536
OUT_OF_MEMORY, OUT_OF_FUEL = Outcome(OutcomeKind.OUT_OF_MEMORY), Outcome(OutcomeKind.OUT_OF_FUEL)
GROW_BY_ONE = """
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (memory.grow (i32.const 1))))
"""


def test_what_the_runtime_enforces_is_declared(runtime: Runtime) -> None:
    assert runtime.enforces == {LimitKind.MEMORY, LimitKind.FUEL}


def test_memory_grows_up_to_the_limit(run: Run) -> None:
    finished = run(wat(GROW_BY_ONE), memory=2 * PAGE)
    assert (finished.outcome, finished.execution.peak_memory) == (Outcome.exited(1), 2 * PAGE)


def test_memory_does_not_grow_beyond_the_limit(run: Run) -> None:
    finished = run(wat(GROW_BY_ONE), memory=2 * PAGE - 1)
    assert (finished.outcome, finished.execution.peak_memory) == (Outcome.exited(2**32 - 1), PAGE)
