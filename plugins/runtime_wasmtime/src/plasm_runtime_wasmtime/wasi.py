"""WASI preview 1 as the guests of one engine import it."""

from __future__ import annotations

import time
from typing import Any

from wasmtime import Engine, Linker, Module, Trap, WasmtimeError, wat2wasm

from plasm_runtime_wasmtime import capi
from plasm_runtime_wasmtime.job import Job
from plasm_runtime_wasmtime.sleep import Poll, read_nap, report

_CONTINUE = 0
_UNSIGNED = 0xFFFF_FFFF
_LONGEST_UNINTERRUPTED_SLEEP = 0.02
_ADAPTER = """
(module
  (import "wasi" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "guest" "memory" (memory 0))
  (export "memory" (memory 0))
  (func (export "poll_oneoff") (param i32 i32 i32 i32) (result i32)
    (call $poll (local.get 0) (local.get 1) (local.get 2) (local.get 3))))
"""


class Wasi:
    """The engine's own functions, but for two of them.

    ``proc_exit`` keeps every exit code, where the engine's turns those above 125 into an error.  ``poll_oneoff``
    looks up from its sleep to see whether the job was stopped, which the engine's does not; it passes all other
    waiting on through an adapter module, because the engine's function looks for the memory of the module that
    calls it.
    """

    def __init__(self, engine: Engine) -> None:
        self.job: Job | None = None
        self._engine = engine
        self._adapter: Module | None = None
        self.linker = _linker(engine)
        self.linker.allow_shadowing = True
        self._kept = (
            capi.define(self.linker, "proc_exit", 1, 0, self._proc_exit),
            capi.define(self.linker, "poll_oneoff", 4, 1, self._poll_oneoff),
        )

    def _proc_exit(self, _data: Any, _caller: Any, values: Any, _count: int) -> int:
        assert self.job is not None
        self.job.exit_code = values[0].i32 & _UNSIGNED
        return capi.trap(Trap("exit"))

    def _poll_oneoff(self, _data: Any, caller: Any, values: Any, _count: int) -> int:
        assert self.job is not None
        poll = Poll(*(values[index].i32 & _UNSIGNED for index in range(4)))
        try:
            values[0].i32 = self._wait(self.job, caller, poll)
        except Trap as trap:
            return capi.trap(trap)
        except WasmtimeError as error:
            return capi.trap(Trap(str(error)))
        return _CONTINUE

    def _wait(self, job: Job, caller: Any, poll: Poll) -> int:
        context, memory = capi.caller_context(caller), capi.caller_export(caller, b"memory")
        if memory is None or not capi.is_memory(memory):
            raise Trap("the module does not export its memory")
        nap = read_nap(capi.memory_bytes(context, memory), poll)
        if nap is None:
            if job.poll is None:
                job.poll = self._adapt(context, memory)
            return capi.ask(context, job.poll, poll)
        end = time.monotonic_ns() + nap.nanoseconds
        while (left := end - time.monotonic_ns()) > 0:
            if job.stopped:
                raise Trap("stopped")
            time.sleep(min(left / 1e9, _LONGEST_UNINTERRUPTED_SLEEP))
        report(capi.memory_bytes(context, memory), poll, nap)
        return 0

    def _adapt(self, context: capi.Pointer, memory: capi.Extern) -> capi.Extern:
        if self._adapter is None:
            self._adapter = Module(self._engine, bytes(wat2wasm(_ADAPTER)))
        original = capi.wasi_function(context, _linker(self._engine), "poll_oneoff")
        instance = capi.instantiate_with(context, self._adapter, (original, memory))
        return capi.export(context, instance, b"poll_oneoff")


def _linker(engine: Engine) -> Linker:
    linker = Linker(engine)
    linker.define_wasi()
    return linker
