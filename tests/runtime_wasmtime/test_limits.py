"""Memory and fuel are bounded and measured, from instantiation on."""

from __future__ import annotations

import pytest
from plasm.contracts import Call, Runtime
from plasm.errors import LimitNotEnforceable
from plasm.model import Invocation, LimitKind, Limits, Outcome, OutcomeKind
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import LOOP, command, wat

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


@pytest.mark.parametrize(
    ("pages", "limit", "outcome"),
    [
        (2, 2 * PAGE, Outcome.exited(0)),
        (2, 2 * PAGE - 1, OUT_OF_MEMORY),
        (65536, 2**30, OUT_OF_MEMORY),
    ],
)
def test_a_memory_larger_than_the_limit_is_never_made(run: Run, pages: int, limit: int, outcome: Outcome) -> None:
    module = wat(f'(memory (export "memory") {pages}) (func (export "_start"))')
    assert run(module, memory=limit).outcome == outcome


def test_a_memory_that_is_not_exported_is_bounded_too(run: Run) -> None:
    finished = run(wat('(memory 2) (func (export "_start"))'), memory=PAGE)
    assert (finished.outcome, finished.execution.peak_memory) == (OUT_OF_MEMORY, None)


@pytest.mark.parametrize("tables", ["(table 10000000 funcref)", "(table 1 funcref)" * 5])
def test_tables_are_bounded(run: Run, tables: str) -> None:
    assert run(command(fields=tables)).outcome == OUT_OF_MEMORY


def test_a_table_does_not_grow_for_ever(run: Run) -> None:
    grow = "(table.grow (ref.null func) (i32.const 1000000))"
    module = command(f"(if (i32.ne {grow} (i32.const -1)) (then unreachable))", "(table 1 funcref)")
    assert run(module).outcome == Outcome.exited(0)


def test_peak_memory_is_known_of_a_job_that_trapped(run: Run) -> None:
    module = command("(drop (memory.grow (i32.const 9))) unreachable")
    assert run(module).execution.peak_memory == 10 * PAGE


def test_fuel_is_counted_only_where_it_is_limited(run: Run) -> None:
    assert run(command()).execution.fuel is None
    assert run(command(), fuel=1000).execution.fuel is not None


def test_the_same_job_uses_the_same_fuel(run: Run) -> None:
    module = command(
        "(local i32) (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100))))"
    )
    fuel = {run(module, fuel=10**6).execution.fuel for _ in range(3)}
    assert len(fuel) == 1
    used = fuel.pop()
    assert used is not None
    assert run(module, fuel=used).outcome == Outcome.exited(0)
    assert run(module, fuel=used // 2).outcome == OUT_OF_FUEL


@pytest.mark.parametrize(
    "module",
    [
        command(LOOP),
        wat(f'(func $begin {LOOP}) (start $begin) (func (export "_start"))'),
    ],
    ids=["in _start", "in a start section"],
)
def test_a_loop_runs_out_of_fuel(run: Run, module: bytes) -> None:
    finished = run(module, fuel=100_000)
    assert (finished.outcome, finished.execution.fuel) == (OUT_OF_FUEL, 100_000)


def test_a_fuel_limit_needs_a_module_compiled_for_it(runtime: Runtime) -> None:
    compiled = runtime.compile(command(), Limits())
    with pytest.raises(LimitNotEnforceable, match="fuel"):
        runtime.execute(compiled, Call(Invocation(), 1, 2), Limits(fuel=1))
