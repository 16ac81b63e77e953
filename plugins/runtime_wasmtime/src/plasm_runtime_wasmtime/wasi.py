"""WASI preview 1 as the guests of one engine import it: the engine's own, but for ``proc_exit``.

The engine's ``proc_exit`` turns every code above 125 into an error; this one keeps them all.
"""

from __future__ import annotations

from typing import Any

from wasmtime import Engine, Linker, Trap, ValType

from plasm.contracts.runtime import Terms
from plasm_runtime_wasmtime import capi


class Wasi:
    """What modules are linked with; ``exit_code`` is the code that the running guest exited with, if it did."""

    def __init__(self, engine: Engine) -> None:
        self.exit_code: int | None = None
        self.linker = Linker(engine)
        self.linker.define_wasi()
        self.linker.allow_shadowing = True
        self._kept = [capi.define_wasi_function(self.linker, "proc_exit", [ValType.i32()], [], self._proc_exit)]

    def begin(self, terms: Terms) -> None:
        """Forget the last guest; the next one runs on ``terms``."""
        self.exit_code = None

    def _proc_exit(self, _data: Any, _caller: Any, values: Any, _count: int) -> int:
        self.exit_code = values[0].i32 & 0xFFFF_FFFF
        return capi.trap(Trap("exit"))
