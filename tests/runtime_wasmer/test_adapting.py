"""What jobs are promised and the SDK has no setting for is put into the module, which stays the module that it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import FIRST_FOLDER, LOOP, STDIN, STDOUT, Guest, command, exiting, wat

from plasm.contracts import Runtime, Terms
from plasm.errors import InvalidModule
from plasm.model import LimitKind, Limits, Outcome, OutcomeKind, TrapKind
from plasm_runtime_wasmer.adapting import Adapted, adapt
from plasm_runtime_wasmer.binary import Reader, sized
from plasm_runtime_wasmer.command import check_command
from plasm_runtime_wasmer.instructions import redirect
from plasm_runtime_wasmer.sections import CODE, read
from world import EXAMPLES

PAGE = 65536
BAD_DESCRIPTOR = 8
OUT_OF_MEMORY = Outcome(OutcomeKind.OUT_OF_MEMORY)
GROW = """
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1 {most}) (table 1 funcref)
  (func (export "_start") (call $exit (memory.grow (i32.const {pages}))))
"""


def adapted(data: bytes, pages: int = 16) -> Adapted:
    module = read(data)
    return adapt(module, check_command(module), pages)


def as_wasmtime_sees_it(data: bytes) -> wasmtime.Module:
    return wasmtime.Module(wasmtime.Engine(), data)


def exports(data: bytes) -> dict[str, object]:
    return {item.name: item.type for item in as_wasmtime_sees_it(data).exports}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.wasm")), ids=lambda path: path.stem)
def test_an_adapted_module_is_valid(path: Path) -> None:
    assert {"memory", "_start"} <= set(exports(adapted(path.read_bytes()).module))


@pytest.mark.parametrize(
    ("declared", "limit", "bound"), [("1", 3, 3), ("1 2", 3, 2), ("1 9", 3, 3), ("3", 3, 3), ("0 0", 3, 0)]
)
def test_the_limit_is_the_memorys_maximum(declared: str, limit: int, bound: int) -> None:
    memory = exports(adapted(wat(f'(memory (export "memory") {declared}) (func (export "_start"))'), limit).module)
    assert isinstance(memory["memory"], wasmtime.MemoryType)
    assert memory["memory"].limits.max == bound


@pytest.mark.parametrize(
    ("most", "pages", "memory", "outcome"),
    [
        ("", 1, 2 * PAGE, Outcome.exited(1)),
        ("", 1, 2 * PAGE - 1, Outcome.exited(2**32 - 1)),
        ("", 2, 2 * PAGE, Outcome.exited(2**32 - 1)),
        ("2", 2, 100 * PAGE, Outcome.exited(2**32 - 1)),
        ("", 999, 1000 * PAGE, Outcome.exited(1)),
    ],
)
def test_memory_grows_up_to_the_limit_and_no_further(
    run: Run, most: str, pages: int, memory: int, outcome: Outcome
) -> None:
    assert run(wat(GROW.format(most=most, pages=pages)), memory=memory).outcome == outcome


def test_what_the_runtime_enforces_is_declared(runtime: Runtime) -> None:
    assert runtime.enforces == {LimitKind.MEMORY}
    assert runtime.provides == frozenset()


@pytest.mark.parametrize(
    "fields",
    [
        "(memory 17)",
        "(memory 65536)",
        "(table 1000001 funcref)",
        "(table 4294967295 4294967295 funcref)",
        "(table 500000 funcref) (table 500001 funcref)",
        "(table 0 funcref)" * 5,
    ],
)
def test_what_begins_beyond_its_limits_is_out_of_memory(run: Run, fields: str) -> None:
    assert run(wat(f'{fields} (func (export "_start") {LOOP})'), memory=16 * PAGE).outcome == OUT_OF_MEMORY
    assert run(command()).outcome == Outcome.exited(0), "and the next job runs"


def test_a_table_grows_up_to_a_bound(run: Run) -> None:
    module = GROW.format(most="", pages=0).replace(
        "(memory.grow (i32.const 0))", "(table.grow (ref.null func) (i32.const {}))"
    )
    assert run(wat(module.format(999_999))).outcome == Outcome.exited(1)
    assert run(wat(module.format(1_000_000))).outcome == Outcome.exited(2**32 - 1)


@pytest.mark.parametrize("code", [0, 1, 125, 126, 127, 128, 255, 256, 257, 2**31 - 1, 2**31, 2**32 - 256, 2**32 - 1])
def test_every_exit_code_is_the_jobs_own(run: Run, code: int) -> None:
    assert run(exiting(code)).outcome == Outcome.exited(code)


def test_an_exit_that_is_imported_twice_keeps_its_code(run: Run) -> None:
    twice = '(import "wasi_snapshot_preview1" "proc_exit" (func ${} (param i32)))'
    for used in ("first", "second"):
        module = wat(
            f'{twice.format("first")}{twice.format("second")}(func (export "_start") (call ${used} (i32.const 999)))'
        )
        assert run(module).outcome == Outcome.exited(999)


def test_a_large_exit_code_is_told_from_a_trap(run: Run) -> None:
    module = Guest().write("text").call("fd_close", STDOUT).then("unreachable").wasm()
    assert run(module).outcome == Outcome.trapped(TrapKind.UNREACHABLE)


def test_a_start_section_runs_as_a_part_of_the_job(run: Run) -> None:
    finished = run(Guest().write("first").then("(call $proc_exit (i32.const 70000))").wasm(start=True))
    assert (finished.outcome, finished.stdout) == (Outcome.exited(70000), b"first")


def test_a_start_section_runs_before_start(run: Run) -> None:
    module = wat(
        """(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (global $g (mut i32) (i32.const 1)) (start $begin)
        (func $begin (global.set $g (i32.mul (global.get $g) (i32.const 5))))
        (func (export "_start") (call $exit (i32.add (global.get $g) (i32.const 2))))"""
    )
    assert run(module).outcome == Outcome.exited(7)


def test_only_start_is_called(run: Run) -> None:
    assert run(command(fields='(func (export "_initialize") unreachable)')).outcome == Outcome.exited(0)


def test_the_sdk_sees_no_other_export_by_its_name() -> None:
    names = ("_initialize", "asyncify_start_unwind", "__wasm_signal", "wasi_thread_start")
    module = command(fields="".join(f'(func (export "{name}"))' for name in names))
    assert set(exports(adapted(module).module)) == {"memory", "_start", "0", "1", "2", "3", "4"}


def test_an_exported_function_may_be_referred_to(run: Run) -> None:
    assert run(command("(drop (ref.func $f))", '(func $f (export "f"))')).outcome == Outcome.exited(0)


def test_a_custom_section_makes_no_dynamic_linker_of_the_sdk(run: Run) -> None:
    section = b"\x00" + sized(sized(b"dylink.0") + b"\x01\x04\x00\x00\x00\x00")
    module = command()
    assert run(module[:8] + section + module[8:]).outcome == Outcome.exited(0)


def test_a_module_without_a_memory_runs(run: Run) -> None:
    assert run(wat('(func (export "_start"))')).outcome == Outcome.exited(0)
    assert run(wat('(memory 1) (func (export "_start") (i32.store (i32.const 0) (i32.const 1)))')).outcome.succeeded


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.wasm")), ids=lambda path: path.stem)
def test_bodies_are_kept_where_nothing_is_redirected(path: Path) -> None:
    module = read(path.read_bytes())
    reader = Reader(module.sections[CODE])
    bodies = reader.vector(lambda: reader.take(reader.u32()))
    functions = len(module.function_types)
    assert [redirect(body, {}, functions) for body in bodies] == bodies


def test_every_kind_of_instruction_is_read() -> None:
    data = wat(
        """(memory 1) (table $t 1 funcref) (data $d "x") (elem $e func $f) (global $g (mut i64) (i64.const 0))
        (type $pair (func (param i32) (result i32 i32)))
        (func $f (export "_start") (local $x i32) (local $v v128)
          (block (loop (br_if 1 (i32.const 1)) (br 0)))
          (block (block (br_table 0 1 1 0 (i32.const -1))))
          (drop (i32.add (block (type $pair) (i32.const 7) (local.tee $x) (local.get $x))))
          (if (f32.eq (f32.const 1.5) (f32.const 2.5)) (then nop) (else (call_indirect (i32.const 0))))
          (drop (select (result funcref) (ref.null func) (ref.func $f) (ref.is_null (ref.null func))))
          (drop (select (f64.const 1) (f64.const 2) (i32.const 0)))
          (global.set $g (i64.load32_u offset=70000 align=2 (memory.size)))
          (memory.fill (i32.const 0) (i32.const 1) (i32.trunc_sat_f64_u (f64.const 2)))
          (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))
          (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))
          (data.drop $d) (elem.drop $e) (table.init $e (i32.const 0) (i32.const 0) (i32.const 1))
          (table.copy (i32.const 0) (i32.const 0) (i32.const 0))
          (table.fill 0 (i32.const 0) (ref.null func) (table.grow 0 (ref.null func) (table.size 0)))
          (table.set 0 (i32.const 0) (table.get 0 (i32.const 0)))
          (local.set $v (v128.const i32x4 16 268435456 4096 269488144))
          (drop (i8x16.shuffle 0 1 2 3 4 5 6 7 16 16 16 16 16 16 16 16 (local.get $v) (v128.load64_zero (i32.const 0))))
          (v128.store32_lane offset=3 1 (i32.const 0) (f64x2.replace_lane 1 (local.get $v) (f64.const 0)))
          (drop (i32x4.dot_i16x8_s (i8x16.swizzle (local.get $v) (local.get $v)) (i8x16.abs (local.get $v))))
          (drop (f32x4.demote_f64x2_zero (local.get $v)))
          (call $f) return)"""
    )
    module = read(data)
    reader = Reader(module.sections[CODE])
    (body,) = reader.vector(lambda: reader.take(reader.u32()))
    assert redirect(body, {}, 1) == body
    assert body.count(b"\xd2\x00") == 1
    redirected = body.replace(b"\x10\x00\x0f\x0b", b"\x10\xac\x02\x0f\x0b").replace(b"\xd2\x00", b"\xd2\xac\x02")
    assert redirect(body, {0: 300}, 1) == redirected


def test_a_function_that_is_added_cannot_be_called_by_the_module() -> None:
    valid = exiting(300)
    assert valid.count(b"\x10\x00") == 1
    for function in range(2, 5):
        with pytest.raises(InvalidModule, match="calls a function that is not there"):
            adapted(valid.replace(b"\x10\x00", bytes([0x10, function])))


@pytest.mark.parametrize(
    "way",
    [
        "(table 2 funcref) (elem (i32.const 1) $exit)",
        "(table 2 funcref) (elem (offset (i32.add (i32.const 0) (i32.const 1))) func $other $exit)",
        "(table $first 1 funcref) (table $t 2 funcref) (elem (table $t) (i32.const 1) func $exit)",
        "(table 2 funcref) (elem (i32.const 1) funcref (ref.func $exit))",
        "(table 2 funcref) (elem (i32.const 0) funcref (ref.null func) (item (ref.func $exit)))",
        "(table 2 funcref) (elem $e func $exit) INIT",
        "(table 2 funcref) (elem $e funcref (ref.func $exit)) INIT",
        "(table 2 funcref) (elem declare func $exit) SET",
        "(table 2 funcref) (global $g funcref (ref.func $exit)) GLOBAL",
        '(table 2 funcref) (export "exit" (func $exit)) SET',
        "(table 2 funcref) (global f64 (f64.const 1)) (global $g funcref (ref.func $exit)) GLOBAL",
        "(table 2 funcref) (global f32 (f32.const 1)) (global $g funcref (ref.func $exit)) GLOBAL",
        "(table 2 funcref) (global i64 (i64.const -1234567890123)) (global $g funcref (ref.func $exit)) GLOBAL",
        "(table 2 funcref) (global v128 (v128.const i32x4 1 2 3 4)) (global $g funcref (ref.func $exit)) GLOBAL",
    ],
)
def test_a_function_of_wasi_is_adapted_where_it_is_a_value(run: Run, way: str) -> None:
    before = {
        "INIT": "(table.init $e (i32.const 1) (i32.const 0) (i32.const 1))",
        "SET": "(table.set (i32.const 1) (ref.func $exit))",
        "GLOBAL": "(table.set (i32.const 1) (global.get $g))",
    }
    first = next((text for word, text in before.items() if way.endswith(word)), "")
    fields = way.removesuffix("INIT").removesuffix("SET").removesuffix("GLOBAL")
    table = "$t" if "$t" in way else "0"
    index = 2 if "$other" in way else 1
    module = wat(
        f"""(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory 1)
        {fields.replace("(table 2 funcref)", "(table 3 funcref)")} (func $other)
        (func (export "_start") {first} (call_indirect {table} (param i32) (i32.const 70000) (i32.const {index})))"""
    )
    assert run(module).outcome == Outcome.exited(70_000)


@pytest.mark.parametrize("fields", ["(elem funcref (ref.func 2))", "(elem func 2)", "(global funcref (ref.func 2))"])
def test_a_function_that_is_added_is_no_value_of_the_modules(fields: str) -> None:
    imports = '(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))'
    valid = wat(f'{imports} {fields.replace("2", "1")} (func (export "_start"))')
    with pytest.raises(InvalidModule, match="a function that is not there"):
        adapted(valid.replace(b"\xd2\x01", b"\xd2\x02").replace(b"\x01\x00\x01\x01\x0a", b"\x01\x00\x01\x02\x0a"))


@pytest.mark.parametrize("fields", ["(global externref (ref.null extern))", "(elem externref (ref.null extern))"])
def test_other_references_are_refused(fields: str) -> None:
    with pytest.raises(InvalidModule, match="external references"):
        adapted(wat(f'{fields} (func (export "_start"))'))


def test_nothing_is_hidden_behind_the_number_of_a_memory() -> None:
    load = command("(drop (i32.load offset=11 (i32.const 0)))")
    assert load.count(b"\x28\x02\x0b\x1a") == 1
    # The engine reads: from memory 0, at offset 16.  Read without that number, a call of function 26 begins here.
    numbered = load.replace(b"\x28\x02\x0b\x1a", b"\x28\x42\x00\x10\x1a")
    longer = numbered.replace(b"\x0a\x0a\x01\x08", b"\x0a\x0b\x01\x09")
    assert longer != numbered
    wasmtime.Module.validate(multi_memory(), longer)
    with pytest.raises(InvalidModule, match="no instruction 0x28 as it is used"):
        adapted(longer)


def multi_memory() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.wasm_multi_memory = True
    return wasmtime.Engine(config)


def test_no_descriptor_but_the_streams_is_there(run: Run) -> None:
    for guest in (
        Guest().open("x", folder=FIRST_FOLDER),
        Guest().open("bin/job.wasm", folder=FIRST_FOLDER + 1),
        Guest().call("path_create_directory", FIRST_FOLDER, "x"),
        Guest().call("fd_close", FIRST_FOLDER),
        Guest().read(FIRST_FOLDER),
        Guest().write("x", FIRST_FOLDER),
    ):
        assert run(guest.wasm()).outcome == Outcome.exited(BAD_DESCRIPTOR)


@pytest.mark.parametrize("descriptor", [*range(10), 2**32 - 1])
def test_no_folder_is_there(run: Run, descriptor: int) -> None:
    imports = '(import "wasi_snapshot_preview1" "{}" (func ${} (param i32 i32) (result i32)))'
    module = """(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (call ${} (i32.const {}) (i32.const 0))))"""
    wanted = {"fd_prestat_get": BAD_DESCRIPTOR, "fd_fdstat_get": 0 if descriptor < 3 else BAD_DESCRIPTOR}
    for name, error in wanted.items():
        assert run(wat(imports.format(name, name) + module.format(name, descriptor))).outcome == Outcome.exited(error)


@pytest.mark.parametrize("pair", [(0, 3), (1, 7), (5, 1)])
def test_a_descriptor_is_renumbered_to_no_new_one(run: Run, pair: tuple[int, int]) -> None:
    module = wat(
        f"""(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (call $renumber (i32.const {pair[0]}) (i32.const {pair[1]}))))"""
    )
    assert run(module).outcome == Outcome.exited(BAD_DESCRIPTOR)


@pytest.mark.parametrize("descriptor", [STDIN, STDOUT])
def test_a_stream_is_no_terminal(run: Run, descriptor: int) -> None:
    module = wat(
        f"""(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start") (drop (call $stat (i32.const {descriptor}) (i32.const 64)))
          (call $exit (i32.load8_u (i32.const 64))))"""
    )
    assert run(module).outcome == Outcome.exited(0), "0 is a file of unknown kind, 2 would be a terminal"


def test_the_key_tells_apart_what_is_adapted_differently(runtime: Runtime) -> None:
    key = runtime.artifact_key(Terms(Limits(memory=10 * PAGE)))
    assert key == runtime.artifact_key(Terms(Limits(memory=11 * PAGE - 1, wall_time=5, output=7)))
    assert key != runtime.artifact_key(Terms(Limits(memory=11 * PAGE)))
