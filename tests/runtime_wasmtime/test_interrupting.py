"""A job that is told to stop ends soon, while it computes; the executor ends the process of one that waits."""

from __future__ import annotations

import pytest
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import LOOP, Guest

from plasm.contracts import Runtime
from plasm.model import Outcome, OutcomeKind

CANCELLED = Outcome(OutcomeKind.CANCELLED)


@pytest.mark.parametrize("start", [False, True], ids=["a loop", "a loop in a start section"])
@pytest.mark.parametrize("fuel", [None, 2**50], ids=["plain", "counting fuel"])
def test_a_running_job_is_cancelled(runtime: Runtime, run: Run, start: bool, fuel: int | None) -> None:
    module = Guest().write("busy").then(LOOP).wasm(start=start)
    finished = run(module, on_output=lambda _: runtime.interrupt(), fuel=fuel)
    assert (finished.outcome, finished.stdout) == (CANCELLED, b"busy")


def test_a_job_that_floods_its_output_is_cancelled(runtime: Runtime, run: Run) -> None:
    flood = Guest().then("(loop $again").write("x" * 1000).then("(br $again))").wasm()
    assert run(flood, on_output=lambda _: runtime.interrupt()).outcome == CANCELLED


def test_a_cancelled_job_still_tells_its_memory(runtime: Runtime, run: Run) -> None:
    module = Guest().then("(drop (memory.grow (i32.const 4)))").write("grown").then(LOOP).wasm()
    assert run(module, on_output=lambda _: runtime.interrupt()).execution.peak_memory == 8 * 65536
