"""What is not a command for WASI preview 1 is refused before anything runs, though the SDK would run some of it."""

from __future__ import annotations

import pytest
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import command, wat

from plasm.contracts import Runtime, Terms
from plasm.errors import InvalidModule, UnsupportedImport
from plasm.model import Limits, Outcome
from plasm.model.wasi import WASI
from plasm_runtime_wasmer.wasi import _PARAMETERS

TERMS = Terms(Limits())
START = '(func (export "_start"))'


def refusal(runtime: Runtime, module: bytes) -> InvalidModule:
    with pytest.raises(InvalidModule) as caught:
        runtime.compile(module, TERMS)
    assert caught.value.hint
    return caught.value


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
        ("(table 1 externref)", "garbage collection or external references"),
        ("(tag $t) (func (throw $t))", "exception handling"),
        ("(func (try_table (nop)))", "exception handling"),
        ("(type $f (func)) (func (param (ref null $f)))", "typed function references"),
        ("(type $f (func)) (type (cont $f))", "stack switching"),
        ("(func (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0))))", "relaxed SIMD"),
        ("(func (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)) drop drop)", "wide arithmetic"),
        ("(func $f (return_call $f))", "tail calls"),
    ],
)
def test_a_refused_proposal_is_named(runtime: Runtime, fields: str, proposal: str) -> None:
    assert refusal(runtime, wat(fields + START)).message.startswith(f"the module uses {proposal}")


@pytest.mark.parametrize(
    "body", ["(drop (i32.const 1))", "(drop (f32.add (f32.const 1) (f32.const 2)))"], ids=["stack", "type"]
)
def test_a_body_that_is_not_valid_is_refused_when_it_is_compiled(runtime: Runtime, body: str) -> None:
    module = command(body).replace(b"\x41\x01\x1a", b"\x41\x01\x01").replace(b"\x92\x1a", b"\xa0\x1a")
    assert refusal(runtime, module).message.startswith("the module is malformed: type mismatch")


def test_the_next_module_compiles_after_one_that_the_sdk_panics_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = wat(f"(table 4294967295 4294967295 funcref) {START}")
    with monkeypatch.context() as patch:
        patch.setattr("plasm_runtime_wasmer.adapting.MAX_TABLE_ELEMENTS", 2**32 - 1)
        with pytest.raises(InvalidModule, match="wasmer-sdk cannot compile the module"):
            run(huge)
    assert run(command()).outcome == Outcome.exited(0)


@pytest.mark.parametrize(
    ("space", "name", "hint"),
    [
        ("wasix_32v1", "proc_spawn", "WASIX"),
        ("wasi_unstable", "fd_write", "preview 0"),
        ("wasi_snapshot_preview1", "proc_exit2", "no such function"),
        ("wasi_snapshot_preview1", "thread_spawn", "no such function"),
        ("wasi", "thread-spawn", "threads"),
        ("napi_extension_wasmer_v0", "napi_create_object", "nothing else"),
        ("env", "\\1b[2Jcleared\\0a", "never linked in"),
    ],
)
def test_an_import_that_the_sdk_or_nobody_has_is_named(runtime: Runtime, space: str, name: str, hint: str) -> None:
    error = refusal(runtime, wat(f'(import "{space}" "{name}" (func)) {START}'))
    assert type(error) is UnsupportedImport
    shown = name.replace("\\1b", "\\x1b").replace("\\0a", "\\n")
    assert error.message == f"the module imports {space}.{shown}, which no job is given"
    assert hint in error.hint


@pytest.mark.parametrize("kind", ["(memory 1)", "(table 1 funcref)", "(global i32)"])
def test_nothing_but_functions_is_given(runtime: Runtime, kind: str) -> None:
    assert type(refusal(runtime, wat(f'(import "env" "thing" {kind}) {START}'))) is UnsupportedImport
    assert "as what it is not" in refusal(runtime, wat(f'(import "{WASI}" "fd_close" {kind}) {START}')).message


def declaration(name: str, parameters: str) -> str:
    kinds = " ".join({"i": "i32", "l": "i64"}[kind] for kind in parameters)
    result = "" if name == "proc_exit" else "(result i32)"
    return f'(import "{WASI}" "{name}" (func (param {kinds}) {result}))'


def test_every_function_of_preview_1_can_be_imported(run: Run) -> None:
    imports = "".join(declaration(name, parameters) for name, parameters in _PARAMETERS.items())
    assert len(_PARAMETERS) == 46
    assert run(wat(f'{imports} (memory (export "memory") 1) {START}')).outcome == Outcome.exited(0)


@pytest.mark.parametrize("name", _PARAMETERS)
def test_a_function_of_another_type_is_refused(runtime: Runtime, name: str) -> None:
    other = declaration(name, _PARAMETERS[name] + "l")
    error = refusal(runtime, wat(f'{other} (memory (export "memory") 1) {START}'))
    assert error.message == f"the module imports {WASI}.{name} as what it is not"


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ("", "no _start function"),
        ('(memory (export "_start") 1)', "_start is not a function"),
        ('(func (export "_initialize"))', "a library (a reactor"),
        ('(func (export "_start") (param i32))', "_start is not a function without parameters"),
        ('(func (export "_start") (result i32) (i32.const 0))', "_start is not a function without parameters"),
        (f"{declaration('fd_read', 'iiii')} (memory 1) {START}", "exports no memory, where fd_read would put"),
        (f'{declaration("fd_read", "iiii")} (func (export "memory")) {START}', "exports no memory"),
    ],
)
def test_what_is_not_a_command_is_refused(runtime: Runtime, fields: str, part: str) -> None:
    assert part in refusal(runtime, wat(fields)).message


@pytest.mark.parametrize("damage", [b"", b"garbage", b"plasm-wasmer", b"plasm-wasmer" + bytes(20)])
def test_what_is_not_an_artifact_is_refused(runtime: Runtime, damage: bytes) -> None:
    with pytest.raises(InvalidModule):
        runtime.load(damage, TERMS)
    artifact = runtime.dump(runtime.compile(command(), TERMS))
    with pytest.raises(InvalidModule):
        runtime.load(artifact[:-1], TERMS)
