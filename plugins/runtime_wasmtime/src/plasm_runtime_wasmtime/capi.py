"""The few calls of Wasmtime's C API that its Python layer wraps slowly.

The layer lists every export to find one and asks for a function's type at each call, a fifth of a short job's time;
and it reports a callback's error through a global variable.  Nothing else in this plugin touches ``wasmtime._ffi``.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, addressof, byref, c_void_p, cast
from typing import Any

from wasmtime import FuncType, InstancePre, Linker, Store, Trap, ValType, WasmtimeError
from wasmtime import _ffi as ffi

Pointer = Any
Extern = Any
Callback = Callable[[Any, Any, Any, int], int]
NO_TRAP = 0

_WASI = b"wasi_snapshot_preview1"
_NO_FINALIZER = CFUNCTYPE(None, c_void_p)()


def context(store: Store) -> Pointer:
    """What the functions below know a store by; valid as long as the store is open."""
    return ffi.wasmtime_store_context(store.ptr())


def define_wasi_function(
    linker: Linker, name: str, parameters: list[ValType], results: list[ValType], callback: Callback
) -> object:
    """Put ``callback`` in the place of the WASI function ``name``.

    The callback finds raw arguments in its values, leaves a result in the first of them, and returns a trap or
    :data:`NO_TRAP`.  It must not raise.  Keep the returned object as long as the linker lives.
    """
    kind = FuncType(parameters, results)
    function = ffi.wasmtime_func_unchecked_callback_t(callback)
    field = name.encode()
    _check(
        ffi.wasmtime_linker_define_func_unchecked(
            linker.ptr(), _WASI, len(_WASI), field, len(field), kind.ptr(), function, None, _NO_FINALIZER
        )
    )
    return function


def trap(cause: Trap) -> int:
    """What a callback returns to end the guest with ``cause``, which is used up."""
    return cast(cause._consume(), c_void_p).value or NO_TRAP  # noqa: SLF001 - the callee takes the pointer over


def caller_memory(caller: Pointer) -> tuple[int, int]:
    """Where the memory of the guest that calls begins, and its size; valid until the callback returns.

    The size is 0 for a guest that exports no memory as ``memory``.
    """
    item = ffi.wasmtime_extern_t()
    found = ffi.wasmtime_caller_export_get(caller, b"memory", 6, byref(item))
    context = ffi.wasmtime_caller_context(caller)
    size = memory_size(context, item if found else None)
    if not size:
        return 0, 0
    return addressof(ffi.wasmtime_memory_data(context, byref(item.of.memory)).contents), size


def instantiate(context: Pointer, prepared: InstancePre) -> Pointer:
    """A new instance, after its start section ran.

    Raises:
        WasmtimeError, Trap: there is none, and why.
    """
    instance, stopped = ffi.wasmtime_instance_t(), POINTER(ffi.wasm_trap_t)()
    _check(ffi.wasmtime_instance_pre_instantiate(prepared.ptr(), context, byref(instance), byref(stopped)), stopped)
    return instance


def export(context: Pointer, instance: Pointer, name: bytes) -> Extern | None:
    """The export of that name."""
    item = ffi.wasmtime_extern_t()
    found = ffi.wasmtime_instance_export_get(context, byref(instance), name, len(name), byref(item))
    return item if found else None


def call(context: Pointer, function: Extern) -> None:
    """Call a function without parameters and results.

    Raises:
        WasmtimeError, Trap: it did not return, and why.
    """
    stopped = POINTER(ffi.wasm_trap_t)()
    _check(ffi.wasmtime_func_call(context, byref(function.of.func), None, 0, None, 0, byref(stopped)), stopped)


def memory_size(context: Pointer, item: Extern | None) -> int | None:
    """Bytes that a memory has now; ``None`` for an export that is none."""
    if item is None or item.kind != ffi.WASMTIME_EXTERN_MEMORY.value:
        return None
    size: int = ffi.wasmtime_memory_data_size(context, byref(item.of.memory))
    return size


def _check(error: Pointer, stopped: Pointer = None) -> None:
    if error:
        raise WasmtimeError._from_ptr(error)  # noqa: SLF001 - the only way to own the pointer
    if stopped:
        raise Trap._from_ptr(stopped)  # noqa: SLF001
