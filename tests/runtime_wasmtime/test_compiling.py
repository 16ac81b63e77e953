"""A file that cannot be run is refused with what it is and what to do, before anything runs."""

from __future__ import annotations

import pytest
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import command, wat

from plasm.contracts import Runtime, Terms
from plasm.errors import InvalidModule, UnsupportedImport
from plasm.model import Limits, Outcome

VALID = command()


def refusal(runtime: Runtime, module: bytes) -> InvalidModule:
    with pytest.raises(InvalidModule) as caught:
        runtime.compile(module, Terms(Limits()))
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("other", [b"", b"\0as", VALID[:7], b"(module (func))", b"\x1f\x8b\x08\0", b"\0asm\x0d\0\1\0"])
def test_what_the_core_lets_pass_for_no_module_is_malformed(runtime: Runtime, other: bytes) -> None:
    assert "the module is malformed: " in refusal(runtime, other).message


@pytest.mark.parametrize(
    "module",
    [
        VALID[:-1],
        VALID[:20],
        VALID + b"\0",
        VALID[:8] + b"\xff\x01\0",
        VALID.replace(b"_start", b"_st\xffrt"),
    ],
    ids=["cut off", "cut off early", "too long", "unknown section", "bad name"],
)
def test_a_malformed_module_is_refused_with_the_engines_reason(runtime: Runtime, module: bytes) -> None:
    message = refusal(runtime, module).message
    assert message.startswith("the module is malformed: ")
    assert "offset" in message


def test_a_function_of_the_wrong_type_is_malformed(runtime: Runtime) -> None:
    module = command("(drop (i32.const 1))").replace(b"\x41\x01\x1a", b"\x41\x01\x01")
    assert "the module is malformed: " in refusal(runtime, module).message


@pytest.mark.parametrize(
    ("fields", "proposal"),
    [
        ("(memory 1 2 shared)", "threads"),
        ("(memory 1) (func (drop (i32.atomic.load (i32.const 0))))", "threads"),
        ("(memory i64 1)", "64-bit memories"),
        ("(memory 1) (memory 1)", "multiple memories"),
        ("(memory 1 (pagesize 1))", "custom page sizes"),
        ("(type (struct (field i32)))", "garbage collection"),
        ("(func (drop (ref.null extern)))", "garbage collection or external references"),
        ("(tag $t) (func (throw $t))", "exception handling"),
        ("(type $f (func)) (func (call_ref $f (ref.null $f)))", "typed function references"),
        ("(type $f (func)) (type (cont $f))", "stack switching"),
        ("(func (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0))))", "relaxed SIMD"),
        ("(func (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)) drop drop)", "wide arithmetic"),
    ],
)
def test_a_refused_proposal_is_named(runtime: Runtime, fields: str, proposal: str) -> None:
    message = refusal(runtime, wat(f'{fields} (func (export "_start"))')).message
    assert message.startswith(f"the module uses {proposal}")


@pytest.mark.parametrize(
    "fields",
    [
        "(func (drop (i8x16.swizzle (v128.const i32x4 0 0 0 0) (v128.const i32x4 0 0 0 0))))",
        "(func $f (result i32 i32) (i32.const 1) (i32.const 2))",
        '(memory 1) (data $d "x") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))',
        "(table 1 funcref) (table 1 funcref) (func (table.copy 0 1 (i32.const 0) (i32.const 0) (i32.const 1)))",
        "(func (drop (i32.extend8_s (i32.trunc_sat_f32_s (f32.const 1)))))",
        "(func $f (return_call $f))",
        "(global (mut i32) (i32.add (i32.const 1) (i32.const 2)))",
    ],
    ids=["simd", "multi-value", "bulk memory", "tables", "conversions", "tail calls", "extended constants"],
)
def test_what_preview_1_toolchains_emit_is_taken(run: Run, fields: str) -> None:
    assert run(wat(f'{fields} (func (export "_start"))')).outcome == Outcome.exited(0)


def test_a_module_that_is_too_complex_is_refused(runtime: Runtime) -> None:
    labels = "0 " * 70_000
    message = refusal(runtime, command(f"(block (br_table {labels} (i32.const 0)))")).message
    assert message.startswith("the module is too complex: ")


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ("", "no _start function"),
        ('(memory (export "_start") 1)', "_start is not a function"),
        ('(func (export "_initialize"))', "a library (a reactor"),
        ('(func (export "_start") (param i32))', "_start is not a function without parameters"),
        ('(func (export "_start") (result i32) (i32.const 0))', "_start is not a function without parameters"),
    ],
)
def test_what_is_not_a_command_is_refused(runtime: Runtime, fields: str, part: str) -> None:
    assert part in refusal(runtime, wat(fields)).message


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("wasi_unstable", "preview 0"),
        ("wasi:cli/run@0.2.0", "preview 2"),
        ("wasix_32v1", "WASIX"),
        ("wasi_snapshot_preview1", "no such function"),
        ("env", "never linked in"),
        ("wbg", "browser"),
        ("gojs", "GOOS=wasip1"),
        ("extism", "WASI preview 1 and nothing else"),
    ],
)
def test_a_foreign_import_is_refused_with_its_likely_cause(runtime: Runtime, module: str, hint: str) -> None:
    error = refusal(runtime, wat(f'(import "{module}" "stranger" (func)) (func (export "_start"))'))
    assert type(error) is UnsupportedImport
    assert error.message == f"the module imports {module}.stranger, which no job is given"
    assert hint in error.hint


def test_a_module_for_threads_is_refused_as_such(runtime: Runtime) -> None:
    spawn = '(import "wasi" "thread-spawn" (func (param i32) (result i32)))'
    assert "threads" in refusal(runtime, wat(f'{spawn} (func (export "_start"))')).hint


def test_many_foreign_imports_are_counted(runtime: Runtime) -> None:
    imports = "".join(f'(import "env" "f{number}" (func))' for number in range(8))
    known = '(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))'
    error = refusal(runtime, wat(f'{known}{imports}(func (export "_start"))'))
    assert error.message.startswith("the module imports env.f0, env.f1, env.f2, env.f3, env.f4 and 3 more,")


def test_names_from_a_module_cannot_write_to_the_terminal(runtime: Runtime) -> None:
    error = refusal(runtime, wat('(import "env" "\\1b[2Jcleared\\0a" (func)) (func (export "_start"))'))
    assert "\\x1b[2Jcleared\\n" in error.message
    assert error.message.isprintable()


@pytest.mark.parametrize("kind", ["(func (param i64))", "(memory 1)", "(global i32)"])
def test_an_import_of_another_type_is_refused(runtime: Runtime, kind: str) -> None:
    error = refusal(runtime, wat(f'(import "wasi_snapshot_preview1" "fd_close" {kind}) (func (export "_start"))'))
    assert type(error) is UnsupportedImport
