"""A job that is told to stop ends soon, whatever it is doing."""

from __future__ import annotations

import os
import time

import pytest
from plasm.contracts import Runtime
from plasm.model import Outcome, OutcomeKind
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import LOOP, Guest

CANCELLED = Outcome(OutcomeKind.CANCELLED)
HOUR = 3_600_000_000_000


def sleeping(nanoseconds: int, *, clocks: int = 1) -> Guest:
    """A guest that says so and sleeps, by one subscription to the monotonic clock or by more of the same."""
    subscription = b"".join(
        part.to_bytes(size, "little") for part, size in ((7, 8), (0, 8), (1, 8), (nanoseconds, 8), (0, 8), (0, 8))
    )
    guest = Guest().write("asleep")
    return guest.call("poll_oneoff", guest.put(subscription * clocks), 256, clocks, 16)


@pytest.mark.parametrize(
    "module",
    [
        Guest().write("busy").then(LOOP).wasm(),
        Guest().write("busy").then(LOOP).wasm(start=True),
        sleeping(HOUR).wasm(),
        sleeping(HOUR).wasm(start=True),
    ],
    ids=["a loop", "a loop in a start section", "asleep", "asleep in a start section"],
)
@pytest.mark.parametrize("fuel", [None, 2**50], ids=["plain", "counting fuel"])
def test_a_running_job_is_cancelled(runtime: Runtime, run: Run, module: bytes, fuel: int | None) -> None:
    finished = run(module, on_output=lambda _: runtime.interrupt(), fuel=fuel)
    assert finished.outcome == CANCELLED
    assert finished.stdout in {b"busy", b"asleep"}


def test_a_job_that_waits_for_input_is_cancelled(runtime: Runtime, run: Run) -> None:
    read_end, write_end = os.pipe()
    module = Guest().write("waiting").read().then(LOOP).wasm()
    assert run(module, stdin=read_end, on_output=lambda _: runtime.interrupt()).outcome == CANCELLED
    os.close(write_end)
    os.close(read_end)


def test_a_job_that_floods_its_output_is_cancelled(runtime: Runtime, run: Run) -> None:
    guest = Guest()
    flood = guest.then("(loop $again").write("x" * 1000).then("(br $again))").wasm()
    assert run(flood, on_output=lambda _: runtime.interrupt()).outcome == CANCELLED


def test_an_interruption_before_the_job_began_still_counts(runtime: Runtime, run: Run) -> None:
    runtime.interrupt()
    finished = run(Guest().write("never").wasm())
    assert (finished.outcome, finished.stdout) == (CANCELLED, b"")


def test_a_cancelled_job_still_tells_its_memory(runtime: Runtime, run: Run) -> None:
    module = Guest().then("(drop (memory.grow (i32.const 4)))").write("grown").then(LOOP).wasm()
    assert run(module, on_output=lambda _: runtime.interrupt()).execution.peak_memory == 8 * 65536


def test_a_nap_ends_by_itself_and_is_answered(run: Run) -> None:
    finished = run(
        sleeping(1_000_000)
        .then("(if (i64.ne (i64.load (i32.const 256)) (i64.const 7)) (then unreachable))")
        .then("(if (i64.ne (i64.load (i32.const 264)) (i64.const 0)) (then unreachable))")
        .then("(if (i32.ne (i32.load (i32.const 16)) (i32.const 1)) (then unreachable))")
        .write(" awake")
        .wasm()
    )
    assert (finished.outcome, finished.stdout) == (Outcome.exited(0), b"asleep awake")


def test_a_nap_lasts_as_long_as_was_asked(runtime: Runtime, run: Run) -> None:
    before = time.monotonic_ns()
    run(sleeping(50_000_000).wasm())
    assert time.monotonic_ns() - before >= 50_000_000


def test_waiting_for_more_than_one_thing_is_left_to_the_engine(run: Run) -> None:
    finished = run(
        sleeping(1_000_000, clocks=2)
        .then("(if (i32.eqz (i32.load (i32.const 16))) (then unreachable))")
        .write(" awake")
        .call("poll_oneoff", 0, 0, 0, 0)
        .wasm()
    )
    assert finished.outcome == Outcome.exited(28)
    assert finished.stdout == b"asleep awake"


@pytest.mark.parametrize("addresses", [(2**32 - 8, 256, 16), (0, 2**32 - 8, 16), (0, 256, 2**32 - 2)])
def test_a_nap_at_an_impossible_address_is_refused(run: Run, addresses: tuple[int, int, int]) -> None:
    subscription, event, count = addresses
    outcome = run(Guest().call("poll_oneoff", subscription, event, 1, count).wasm()).outcome
    assert outcome.exit_code != 0
