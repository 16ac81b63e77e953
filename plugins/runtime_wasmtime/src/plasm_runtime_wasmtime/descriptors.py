"""Descriptors handed to a guest, which the engine takes by path only."""

from __future__ import annotations

from typing import Literal

from plasm.contracts import Stream
from plasm.errors import PluginError
from wasmtime import WasiConfig, WasmtimeError


def give(config: WasiConfig, stream: Stream | Literal["stdin"], descriptor: int) -> None:
    """Open ``descriptor`` anew as one of the guest's standard streams; the given one stays the caller's.

    Raises:
        PluginError: it cannot be opened.
    """
    try:
        setattr(config, f"{stream}_file", f"/proc/self/fd/{descriptor}")
    except WasmtimeError:
        raise PluginError(
            f"the wasmtime runtime cannot open the job's {stream} (descriptor {descriptor})",
            hint="it must be a pipe, a device or a file, and /proc must be mounted",
        ) from None
