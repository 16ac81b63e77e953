"""The few calls of Wasmtime's C API that its Python layer wraps slowly or not at all.

The layer reads every export to find one and asks for a function's type at each call, a fifth of a short job's
time; it cannot take standard input from memory, and it reports a callback's error through a global variable.
Nothing else in this plugin touches ``wasmtime._ffi``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import CFUNCTYPE, POINTER, Array, byref, c_uint8, c_void_p, cast
from typing import Any

from wasmtime import FuncType, InstancePre, Linker, Module, Store, Trap, ValType, WasiConfig, WasmtimeError
from wasmtime import _ffi as ffi

WASI = "wasi_snapshot_preview1"

Pointer = Any
Extern = Any
Callback = Callable[[Any, Any, Any, int], int]

_NO_FINALIZER = CFUNCTYPE(None, c_void_p)()


def context(store: Store) -> Pointer:
    """What the functions below know a store by; valid as long as the store is open."""
    return ffi.wasmtime_store_context(store.ptr())


def caller_context(caller: Pointer) -> Pointer:
    """The context of the store whose guest is calling."""
    return ffi.wasmtime_caller_context(caller)


def set_stdin(config: WasiConfig, data: bytes) -> None:
    """Make ``data`` all of the guest's standard input."""
    vector = ffi.bytes_to_capi(data)
    ffi.wasi_config_set_stdin_bytes(config.ptr(), byref(vector))


def define(linker: Linker, name: str, parameters: int, results: int, callback: Callback) -> object:
    """Put ``callback`` in the place of the WASI function ``name`` of so many i32; keep the returned object as
    long as the linker lives.  The callback reads and writes raw values and returns a trap, or 0."""
    kind = FuncType([ValType.i32()] * parameters, [ValType.i32()] * results)
    function = ffi.wasmtime_func_unchecked_callback_t(callback)
    module, field = WASI.encode(), name.encode()
    _check(
        ffi.wasmtime_linker_define_func_unchecked(
            linker.ptr(), module, len(module), field, len(field), kind.ptr(), function, None, _NO_FINALIZER
        )
    )
    return function


def trap(cause: Trap) -> int:
    """What a callback returns to end the guest with ``cause``, which is used up."""
    return cast(cause._consume(), c_void_p).value or 0  # noqa: SLF001  the callee takes the pointer over


def instantiate(context: Pointer, prepared: InstancePre) -> Pointer:
    """A new instance, after its start section ran.

    Raises:
        WasmtimeError, Trap: there is none, and why.
    """
    instance, stopped = ffi.wasmtime_instance_t(), POINTER(ffi.wasm_trap_t)()
    _check(ffi.wasmtime_instance_pre_instantiate(prepared.ptr(), context, byref(instance), byref(stopped)), stopped)
    return instance


def instantiate_with(context: Pointer, module: Module, imports: Sequence[Extern]) -> Pointer:
    """A new instance of ``module`` with ``imports`` in its own order."""
    instance, stopped = ffi.wasmtime_instance_t(), POINTER(ffi.wasm_trap_t)()
    given = (ffi.wasmtime_extern_t * len(imports))(*imports)
    _check(
        ffi.wasmtime_instance_new(context, module.ptr(), given, len(imports), byref(instance), byref(stopped)),
        stopped,
    )
    return instance


def export(context: Pointer, instance: Pointer, name: bytes) -> Extern | None:
    """The export of that name."""
    item = ffi.wasmtime_extern_t()
    found = ffi.wasmtime_instance_export_get(context, byref(instance), name, len(name), byref(item))
    return item if found else None


def caller_export(caller: Pointer, name: bytes) -> Extern | None:
    """The export of that name of the calling guest."""
    item = ffi.wasmtime_extern_t()
    return item if ffi.wasmtime_caller_export_get(caller, name, len(name), byref(item)) else None


def wasi_function(context: Pointer, linker: Linker, name: str) -> Extern:
    """WASI's own function of that name, as ``linker`` knows it."""
    module, field, item = WASI.encode(), name.encode(), ffi.wasmtime_extern_t()
    found = ffi.wasmtime_linker_get(linker.ptr(), context, module, len(module), field, len(field), byref(item))
    assert found
    return item


def is_memory(item: Extern) -> bool:
    """Whether an export is a linear memory."""
    return bool(item.kind == ffi.WASMTIME_EXTERN_MEMORY.value)


def memory_size(context: Pointer, memory: Extern) -> int:
    """Bytes that the memory has now."""
    return ffi.wasmtime_memory_data_size(context, byref(memory.of.memory))


def memory_bytes(context: Pointer, memory: Extern) -> Array[c_uint8]:
    """The memory itself, valid until the guest runs again."""
    start = cast(ffi.wasmtime_memory_data(context, byref(memory.of.memory)), c_void_p)
    return (c_uint8 * memory_size(context, memory)).from_address(start.value or 0)


def start(context: Pointer, function: Extern) -> None:
    """Call a function without parameters and results.

    Raises:
        WasmtimeError, Trap: it did not return, and why.
    """
    stopped = POINTER(ffi.wasm_trap_t)()
    _check(ffi.wasmtime_func_call(context, byref(function.of.func), None, 0, None, 0, byref(stopped)), stopped)


def ask(context: Pointer, function: Extern, arguments: Sequence[int]) -> int:
    """Call a function of i32s that returns one.

    Raises:
        WasmtimeError, Trap: it did not return, and why.
    """
    given = (ffi.wasmtime_val_t * len(arguments))()
    for slot, argument in zip(given, arguments, strict=True):
        slot.kind, slot.of.i32 = ffi.WASMTIME_I32.value, argument
    returned, stopped = ffi.wasmtime_val_t(), POINTER(ffi.wasm_trap_t)()
    error = ffi.wasmtime_func_call(
        context, byref(function.of.func), given, len(given), byref(returned), 1, byref(stopped)
    )
    _check(error, stopped)
    return int(returned.of.i32)


def _check(error: Pointer, stopped: Pointer = None) -> None:
    if error:
        raise WasmtimeError._from_ptr(error)  # noqa: SLF001  the only way to own the pointer
    if stopped:
        raise Trap._from_ptr(stopped)  # noqa: SLF001
