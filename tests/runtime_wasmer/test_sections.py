"""The module reader is total and strict: any bytes give a module or a reason, and it takes what engines take."""

from __future__ import annotations

import random

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st
from runtime_wasmtime.guests import Guest, wat

from plasm.errors import InvalidModule
from plasm_runtime_wasmer.adapting import adapt
from plasm_runtime_wasmer.binary import Reader, sized, u32
from plasm_runtime_wasmer.command import check_command
from plasm_runtime_wasmer.sections import HEADER, Export, FunctionType, Import, Size, read
from plasm_runtime_wasmer.wasi import check_imports
from world import EXAMPLES

MODULES = [
    *(path.read_bytes() for path in sorted(EXAMPLES.glob("*/*.wasm"))),
    Guest().write("text").read().wasm(start=True),
    wat(
        """(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (table $t 3 funcref) (table $u 3 funcref)
        (elem (table $u) (i32.const 1) func $exit $f) (elem $p funcref (ref.func $f) (ref.null func))
        (elem declare func $f) (elem (i32.const 0) funcref (ref.func $exit)) (global funcref (ref.func $f))
        (global i64 (i64.add (i64.const 5) (i64.const -6))) (func $f (export "_start"))"""
    ),
    wat('(table 2 9 funcref) (elem (i32.const 0) $f) (func $f (drop (ref.func $f))) (func (export "_start"))'),
]


def refusal(data: bytes) -> str:
    """Why ``data`` is refused on its way to the SDK; empty where it is not."""
    try:
        module = read(data)
        check_imports(module)
        adapt(module, check_command(module), 16)
    except InvalidModule as error:
        return f"{error.message}, {error.hint or 'and there is no hint'}"
    return ""


@given(st.binary(max_size=200))
def test_any_bytes_give_a_module_or_a_reason(data: bytes) -> None:
    assert refusal(data).isprintable()
    assert refusal(HEADER + data).isprintable()


@given(st.lists(st.tuples(st.integers(0, 13), st.binary(max_size=30)), max_size=6))
def test_any_sections_give_a_module_or_a_reason(sections: list[tuple[int, bytes]]) -> None:
    refusal(HEADER + b"".join(bytes([section]) + sized(content) for section, content in sections))


@pytest.mark.parametrize("data", MODULES, ids=range(len(MODULES)))
def test_what_is_called_malformed_is_malformed(data: bytes) -> None:
    config, chance = wasmtime.Config(), random.Random(1)
    config.wasm_multi_memory = False
    engine = wasmtime.Engine(config)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[chance.randrange(8, len(data))] = chance.choice([0, 1, 0x40, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        if refusal(bytes(damaged)).startswith("the module is malformed"):
            with pytest.raises(wasmtime.WasmtimeError):
                wasmtime.Module.validate(engine, bytes(damaged))


@given(st.integers(0, 2**32 - 1))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert Reader(u32(number)).u32() == number


@pytest.mark.parametrize("encoded", [b"", b"\x80", b"\x80\x80\x80\x80\x80\x00", b"\xff\xff\xff\xff\x10"])
def test_a_number_that_is_none_is_refused(encoded: bytes) -> None:
    with pytest.raises(InvalidModule):
        Reader(encoded).u32()


def test_a_module_is_described_as_it_is() -> None:
    module = read(
        wat(
            """(import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
            (memory (export "memory") 2 5) (table 3 funcref) (start $begin)
            (func $begin) (func (export "_start"))"""
        )
    )
    assert module.types == [FunctionType(b"\x7f", b"\x7f"), FunctionType(b"", b"")]
    assert module.imports == [Import("wasi_snapshot_preview1", "fd_close", 0)]
    assert (module.memories, module.tables) == ([Size(2, 5)], [Size(3, None)])
    assert module.exports == [Export("memory", 2, 0), Export("_start", 0, 2)]
    assert (module.start, module.function_types) == (1, [0, 1, 1])


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        (b"\x0e\x00", "no section 14"),
        (b"\x03\x01\x00\x01\x01\x00", "out of order"),
        (b"\x01\x01\x00\x01\x01\x00", "out of order"),
        (b"\x01\x02\x00\x00", "longer than what is in it"),
        (b"\x01\x05\xff\xff\xff\xff\x0f", "ends too early"),
        (b"\x03\x02\x01\x07", "a type that is not there"),
        (b"\x05\x04\x01\x01\x02\x01", "begins larger than it may become"),
        (b"\x05\x05\x01\x00\x81\x80\x04", "larger than its addresses reach"),
        (b"\x07\x05\x01\x01a\x00\x00", "exports what is not there"),
        (b"\x07\x05\x01\x01a\x03\x00", "exports what is not there"),
        (b"\x05\x03\x01\x00\x01\x07\x09\x02\x01a\x02\x00\x01a\x02\x00", "two things by one name"),
        (b"\x08\x01\x00", "a function that is not there"),
        (b"\x00\x02\x01\xff", "not UTF-8"),
    ],
)
def test_what_is_wrong_is_said(sections: bytes, reason: str) -> None:
    with pytest.raises(InvalidModule, match=reason):
        read(HEADER + sections)
