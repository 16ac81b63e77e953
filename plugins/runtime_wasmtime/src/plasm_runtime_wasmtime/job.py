"""What is known of a job while it runs."""

from __future__ import annotations

from attrs import define
from wasmtime import Engine

from plasm_runtime_wasmtime.capi import Extern


@define(eq=False)
class Job:
    """The state that a running guest's imports, its streams and whoever stops it share."""

    engine: Engine
    stopped: bool = False
    exit_code: int | None = None
    poll: Extern | None = None

    def stop(self) -> None:
        """Make the guest trap at its next loop or call.  Any thread may ask; there is no way back."""
        self.stopped = True
        self.engine.increment_epoch()
