"""How a job ends is told exactly: its own exit code, or which trap."""

from __future__ import annotations

import pytest
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import command, exiting, wat

from plasm.model import Outcome, TrapKind


@pytest.mark.parametrize("code", [0, 1, 42, 125, 126, 127, 128, 255, 256, 2**31 - 1, 2**31, 2**32 - 1])
def test_every_exit_code_is_the_jobs_own(run: Run, code: int) -> None:
    assert run(exiting(code)).outcome == Outcome.exited(code)


def test_returning_from_start_is_exit_code_zero(run: Run) -> None:
    assert run(command()).outcome == Outcome.exited(0)


def test_a_start_section_may_exit_the_job(run: Run) -> None:
    module = wat(
        """(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (func $begin (call $exit (i32.const 7))) (start $begin)
        (func (export "_start") unreachable)"""
    )
    assert run(module).outcome == Outcome.exited(7)


def test_an_exit_code_does_not_stick_to_the_next_job(run: Run) -> None:
    assert run(exiting(3)).outcome == Outcome.exited(3)
    assert run(command("unreachable")).outcome == Outcome.trapped(TrapKind.UNREACHABLE)


TRAPS = {
    TrapKind.UNREACHABLE: ("unreachable", ""),
    TrapKind.STACK_OVERFLOW: ("(call $deeper)", "(func $deeper (call $deeper))"),
    TrapKind.MEMORY_OUT_OF_BOUNDS: ("(drop (i32.load (i32.const 65536)))", ""),
    TrapKind.TABLE_OUT_OF_BOUNDS: ("(drop (table.get (i32.const 1)))", "(table 1 funcref)"),
    TrapKind.INDIRECT_CALL_TO_NULL: ("(call_indirect (i32.const 0))", "(table 1 funcref)"),
    TrapKind.INDIRECT_CALL_TYPE_MISMATCH: (
        "(call_indirect (i32.const 0))",
        "(func $other (param i32)) (table funcref (elem $other))",
    ),
    TrapKind.INTEGER_OVERFLOW: ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", ""),
    TrapKind.INTEGER_DIVISION_BY_ZERO: ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", ""),
    TrapKind.INVALID_CONVERSION: ("(drop (i32.trunc_f32_s (f32.const nan)))", ""),
}


@pytest.mark.parametrize("kind", TRAPS)
def test_a_trap_is_named(run: Run, kind: TrapKind) -> None:
    body, fields = TRAPS[kind]
    assert run(command(body, fields)).outcome == Outcome.trapped(kind)


def test_every_trap_of_the_model_is_tried() -> None:
    assert set(TRAPS) == set(TrapKind) - {TrapKind.OTHER}


def test_data_that_does_not_fit_traps_at_instantiation(run: Run) -> None:
    module = command(fields='(data (i32.const 65535) "ab")')
    assert run(module).outcome == Outcome.trapped(TrapKind.MEMORY_OUT_OF_BOUNDS)


@pytest.mark.parametrize("function", ["args_get", "args_sizes_get", "environ_get"])
def test_a_wasi_call_without_a_memory_to_answer_in_is_another_trap(run: Run, function: str) -> None:
    module = wat(
        f"""(import "wasi_snapshot_preview1" "{function}" (func $call (param i32 i32) (result i32)))
        (func (export "_start") (drop (call $call (i32.const 0) (i32.const 0))))"""
    )
    assert run(module).outcome == Outcome.trapped(TrapKind.OTHER)


def test_polling_without_a_memory_is_another_trap(run: Run) -> None:
    module = wat(
        """(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (func (export "_start") (drop (call $poll (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))))"""
    )
    assert run(module).outcome == Outcome.trapped(TrapKind.OTHER)
