"""``plasm.runtime`` plugin ``wasmer``: runs WASI preview 1 commands on Wasmer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plasm.hookspecs import hookimpl

if TYPE_CHECKING:
    from plasm.config import Config
    from plasm.contracts import Runtime

PLASM_HOOK_API = 1


@hookimpl
def plasm_runtime(config: Config) -> Runtime:
    """A runtime for one worker process.

    Raises:
        PluginError: wasmer-sdk does not load on this machine.
    """
    from plasm.errors import PluginError

    try:
        from plasm_runtime_wasmer.runtime import WasmerRuntime
    except (ImportError, OSError) as error:
        raise PluginError(
            f"wasmer-sdk does not load: {error}", hint="it needs Linux with glibc 2.35 or newer, on x86-64 or arm64"
        ) from None
    return WasmerRuntime(config.cache_dir)
