"""``plasm.runtime`` plugin ``wasmtime``: runs WASI preview 1 commands on Wasmtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plasm.hookspecs import hookimpl

if TYPE_CHECKING:
    from plasm.config import Config
    from plasm.contracts import Runtime

PLASM_HOOK_API = 1
PLASM_PREFERENCE = 100


@hookimpl
def plasm_runtime(config: Config) -> Runtime:
    """A runtime for one worker process; it takes nothing from ``config``."""
    from plasm_runtime_wasmtime.runtime import WasmtimeRuntime

    return WasmtimeRuntime()
