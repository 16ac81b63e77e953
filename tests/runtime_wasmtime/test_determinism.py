"""A deterministic job gets a clock and random numbers that are the same on every machine, and waits for nothing."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import NamedTuple

import pytest
from runtime_wasmtime.conftest import Finished, Run
from runtime_wasmtime.guests import STDERR, STDIN, STDOUT, Guest, wat

from plasm.contracts import Call, Runtime, Terms
from plasm.model import Determinism, Invocation, Limits, Outcome, OutcomeKind

SECOND = 1_000_000_000
TEN_YEARS = 315_360_000 * SECOND
LAST_MOMENT = 2**64 - 1
REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU = CLOCKS = range(4)
CLOCK, FD_READ, FD_WRITE = range(3)
RELATIVE, ABSOLUTE = range(2)
BADF, FAULT, INVAL = 8, 21, 28
MEMORY_BYTES = 4 * 65536
READING, EVENTS, EVENT_COUNT, TARGET = 256, 512, 264, 1024

Simulate = Callable[..., Finished]


class Event(NamedTuple):
    userdata: int
    error: int
    kind: int
    readable: int
    flags: int


@pytest.fixture
def simulate(run: Run) -> Simulate:
    """Runs a guest's module as a deterministic job."""

    def simulate(guest: Guest | bytes, clock: int = 0, seed: int = 0, **settings: object) -> Finished:
        module = guest if isinstance(guest, bytes) else guest.wasm()
        return run(module, determinism=Determinism(clock, seed), **settings)

    return simulate


def look(guest: Guest, clock: int = REALTIME) -> Guest:
    """Read a clock and write what it says."""
    return guest.call("clock_time_get", clock, 0, READING).show(READING, 8)


def times(finished: Finished) -> list[int]:
    assert finished.outcome == Outcome.exited(0)
    return [moment for (moment,) in struct.iter_unpack("<Q", finished.stdout)]


def clock(userdata: int, timeout: int, flags: int = RELATIVE, number: int = MONOTONIC) -> bytes:
    """A subscription to a moment."""
    return struct.pack("<QB7xI4xQQH6x", userdata, CLOCK, number, timeout, 0, flags)


def stream(userdata: int, kind: int, descriptor: int) -> bytes:
    """A subscription to a descriptor."""
    return struct.pack("<QB7xI28x", userdata, kind, descriptor)


def poll(guest: Guest, *subscriptions: bytes) -> Guest:
    return guest.call("poll_oneoff", guest.put(b"".join(subscriptions)), EVENTS, len(subscriptions), EVENT_COUNT)


def poll_and_show(*subscriptions: bytes) -> Guest:
    """Poll and write how many events there are, and as many records as there could be."""
    return poll(Guest(), *subscriptions).show(EVENT_COUNT, 4).show(EVENTS, 32 * len(subscriptions))


def events(finished: Finished) -> list[Event]:
    assert finished.outcome == Outcome.exited(0)
    count = int.from_bytes(finished.stdout[:4], "little")
    records = [Event(*fields) for fields in struct.iter_unpack("<QHB5xQH6x", finished.stdout[4:])]
    assert records[count:] == [Event(0, 0, 0, 0, 0)] * (len(records) - count)
    return records[:count]


def random_block(seed: int, number: int) -> bytes:
    return hashlib.sha256(b"plasm-random-1\0" + struct.pack("<QQ", seed, number)).digest()


def test_the_clock_starts_where_the_job_says_and_moves_when_it_is_looked_at(simulate: Simulate) -> None:
    guest = look(look(Guest()))
    assert times(simulate(guest)) == [1_000, 2_000]
    assert times(simulate(guest, clock=1_767_225_600)) == [1_767_225_600_000_001_000, 1_767_225_600_000_002_000]


def test_all_clocks_are_the_same_one(simulate: Simulate) -> None:
    guest = Guest()
    for number in CLOCKS:
        look(guest, number)
    assert times(simulate(guest)) == [1_000, 2_000, 3_000, 4_000]


@pytest.mark.parametrize("number", CLOCKS)
def test_the_clocks_resolution_is_its_step(simulate: Simulate, number: int) -> None:
    assert times(simulate(Guest().call("clock_res_get", number, READING).show(READING, 8))) == [1_000]


def test_random_bytes_are_the_documented_ones(simulate: Simulate) -> None:
    guest = Guest().call("random_get", TARGET, 5).show(TARGET, 5).call("random_get", TARGET, 100).show(TARGET, 100)
    expected = b"".join(random_block(7, number) for number in range(4))
    assert simulate(guest, seed=7).stdout == expected[:105]
    assert simulate(guest, seed=8).stdout != expected[:105]


def test_a_guest_may_ask_for_random_bytes_in_all_of_its_memory(simulate: Simulate) -> None:
    guest = Guest().call("random_get", 0, MEMORY_BYTES)
    guest.then(f"(i32.store (i32.const 64) (i32.const {MEMORY_BYTES - 32})) (i32.store (i32.const 68) (i32.const 32))")
    finished = simulate(guest.call("fd_write", STDOUT, 64, 1, 128))
    assert (finished.outcome, finished.stdout) == (Outcome.exited(0), random_block(0, MEMORY_BYTES // 32 - 1))


def test_every_job_starts_anew(runtime: Runtime) -> None:
    """The same compiled module, as a warm worker runs it."""
    terms = Terms(Limits(), Determinism(seed=1))
    first_reading = Guest().call("clock_time_get", REALTIME, 0, 256).call("random_get", 264, 4)
    mixed = "(i32.add (i32.load (i32.const 256)) (i32.load (i32.const 264)))"
    compiled = runtime.compile(first_reading.then(f"(call $proc_exit {mixed})").wasm(), terms)
    codes = [runtime.execute(compiled, Call(Invocation(), 1, 2), terms).outcome.exit_code for _ in range(3)]
    assert codes[0]
    assert codes == codes[:1] * 3


def test_a_long_sleep_takes_no_time_and_moves_the_clock(simulate: Simulate) -> None:
    assert times(simulate(look(poll(look(Guest()), clock(1, TEN_YEARS))))) == [1_000, 2_000 + TEN_YEARS + 1_000]


def test_a_sleep_until_a_moment_ends_at_that_moment(simulate: Simulate) -> None:
    moment = 50 * SECOND
    assert times(simulate(look(poll(Guest(), clock(1, moment, ABSOLUTE))))) == [moment + 1_000]


def test_a_sleep_until_a_moment_in_the_past_ends_at_once(simulate: Simulate) -> None:
    guest = look(poll(Guest(), clock(1, 5, ABSOLUTE)))
    assert times(simulate(guest, clock=1)) == [SECOND + 2_000]


def test_the_earliest_of_several_timeouts_ends_a_sleep(simulate: Simulate) -> None:
    guest = poll_and_show(
        clock(11, 3 * SECOND), clock(12, 2 * SECOND), clock(13, 2 * SECOND), clock(14, SECOND, ABSOLUTE, REALTIME)
    )
    assert events(simulate(guest)) == [Event(14, 0, CLOCK, 0, 0)]
    assert events(simulate(guest, clock=1)) == [Event(14, 0, CLOCK, 0, 0)]
    both = poll_and_show(clock(11, 3 * SECOND), clock(12, 2 * SECOND), clock(13, 2 * SECOND, number=REALTIME))
    assert events(simulate(both)) == [Event(12, 0, CLOCK, 0, 0), Event(13, 0, CLOCK, 0, 0)]


def test_standard_streams_are_always_ready_so_no_timeout_comes(simulate: Simulate) -> None:
    guest = poll_and_show(
        clock(1, SECOND), stream(2**64 - 1, FD_READ, STDIN), stream(3, FD_WRITE, STDOUT), stream(4, FD_WRITE, STDERR)
    )
    assert events(simulate(guest)) == [
        Event(2**64 - 1, 0, FD_READ, 1, 0),
        Event(3, 0, FD_WRITE, 1, 0),
        Event(4, 0, FD_WRITE, 1, 0),
    ]


def test_waiting_for_a_stream_does_not_move_the_clock(simulate: Simulate) -> None:
    guest = look(poll(Guest(), stream(1, FD_READ, STDIN), clock(2, TEN_YEARS)))
    assert times(simulate(guest)) == [1_000]


def test_waiting_for_a_descriptor_that_is_none_gives_an_event_with_an_error(simulate: Simulate) -> None:
    assert events(simulate(poll_and_show(stream(9, FD_READ, 3)))) == [Event(9, BADF, FD_READ, 0, 0)]


def test_the_clock_stops_at_the_last_moment_that_can_be_told(simulate: Simulate) -> None:
    guest = poll(Guest(), clock(1, LAST_MOMENT))
    assert times(simulate(look(look(poll(guest, clock(1, LAST_MOMENT)))))) == [LAST_MOMENT, LAST_MOMENT]


INVALID = {
    "a fifth clock": lambda guest: guest.call("clock_time_get", 4, 0, READING),
    "a clock of a negative number": lambda guest: guest.call("clock_time_get", -1, 0, READING),
    "a fifth clock's resolution": lambda guest: guest.call("clock_res_get", 4, READING),
    "a wait for nothing": lambda guest: guest.call("poll_oneoff", 0, 0, 0, EVENT_COUNT),
    "a wait for 1025 things": lambda guest: guest.call("poll_oneoff", 0, 0, 1025, EVENT_COUNT),
    "a wait for a negative number of things": lambda guest: guest.call("poll_oneoff", 0, 0, -1, EVENT_COUNT),
    "a wait for a fifth clock": lambda guest: poll(guest, clock(1, 1, number=4)),
    "a wait with an unknown flag": lambda guest: poll(guest, clock(1, 1, flags=2)),
    "a wait of an unknown kind": lambda guest: poll(guest, stream(1, 3, STDIN)),
}
END = MEMORY_BYTES
FAULTS = {
    "the time at the end": lambda guest: guest.call("clock_time_get", REALTIME, 0, END - 7),
    "the time at a negative address": lambda guest: guest.call("clock_time_get", REALTIME, 0, -8),
    "the resolution at the end": lambda guest: guest.call("clock_res_get", REALTIME, END - 7),
    "random bytes over the end": lambda guest: guest.call("random_get", END - 1, 2),
    "more random bytes than memory": lambda guest: guest.call("random_get", 0, -1),
    "random bytes beyond the end": lambda guest: guest.call("random_get", -1, 0),
    "subscriptions over the end": lambda guest: guest.call("poll_oneoff", END - 95, EVENTS, 2, EVENT_COUNT),
    "events over the end": lambda guest: guest.call(
        "poll_oneoff", guest.put(clock(1, 1) * 2), END - 63, 2, EVENT_COUNT
    ),
    "the number of events over the end": lambda guest: guest.call(
        "poll_oneoff", guest.put(clock(1, 1)), EVENTS, 1, END - 3
    ),
}


@pytest.mark.parametrize("mistake", INVALID)
def test_what_makes_no_sense_is_an_invalid_argument(simulate: Simulate, mistake: str) -> None:
    assert simulate(INVALID[mistake](Guest())).outcome == Outcome.exited(INVAL)


@pytest.mark.parametrize("mistake", FAULTS)
def test_a_pointer_out_of_memory_is_a_fault(simulate: Simulate, mistake: str) -> None:
    assert simulate(FAULTS[mistake](Guest())).outcome == Outcome.exited(FAULT)


def test_a_call_that_failed_moves_neither_the_clock_nor_the_random_numbers(simulate: Simulate) -> None:
    guest = Guest().attempt("clock_time_get", REALTIME, 0, -8).attempt("random_get", -8, 8)
    guest.attempt("poll_oneoff", guest.put(clock(1, TEN_YEARS)), -8, 1, EVENT_COUNT)
    finished = simulate(look(guest.call("random_get", TARGET, 8).show(TARGET, 8)))
    assert finished.stdout == random_block(0, 0)[:8] + (1_000).to_bytes(8, "little")


@pytest.mark.parametrize("fields", ["", '(memory (export "memory") 0)', '(global (export "memory") i32 (i32.const 0))'])
def test_a_guest_without_memory_gets_a_fault(simulate: Simulate, fields: str) -> None:
    module = wat(
        f"""(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        {fields} (func (export "_start") (call $exit (call $random (i32.const 0) (i32.const 1))))"""
    )
    assert simulate(module).outcome == Outcome.exited(FAULT)


@pytest.mark.parametrize("descriptor", [STDIN, STDOUT, STDERR])
def test_standard_streams_show_nothing_of_the_host(simulate: Simulate, descriptor: int) -> None:
    guest = Guest().call("fd_filestat_get", descriptor, TARGET).show(TARGET, 64)
    assert simulate(guest, stdin=b"input").stdout == bytes(64)


def test_the_environment_is_empty(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HOST", "secret")
    assert simulate(Guest().call("environ_sizes_get", 0, 8).show(0, 16)).stdout == bytes(16)


def test_a_nan_is_always_the_same_one(simulate: Simulate) -> None:
    zero = "(f32.load (i32.const 0))"
    guest = Guest().call("random_get", 0, 0).then(f"(call $proc_exit (i32.reinterpret_f32 (f32.div {zero} {zero})))")
    assert simulate(guest).outcome == Outcome.exited(0x7FC0_0000)


LOOPS = {
    "looks at the clock": look,
    "sleeps": lambda guest: poll(guest, clock(1, TEN_YEARS)),
    "asks for random bytes": lambda guest: guest.call("random_get", TARGET, 8),
}


@pytest.mark.parametrize("fuel", [None, 2**50], ids=["plain", "counting fuel"])
@pytest.mark.parametrize("habit", LOOPS)
def test_a_job_that_does_it_for_ever_can_be_ended(
    runtime: Runtime, simulate: Simulate, habit: str, fuel: int | None
) -> None:
    guest = LOOPS[habit](Guest().write("busy").then("(loop $again")).then("(br $again))")
    finished = simulate(guest, fuel=fuel, on_output=lambda _: runtime.interrupt())
    assert finished.outcome == Outcome(OutcomeKind.CANCELLED)


def test_fuel_ends_a_deterministic_job_too(simulate: Simulate) -> None:
    forever = look(Guest().then("(loop $again")).then("(br $again))")
    first, second = (simulate(forever, fuel=10_000) for _ in range(2))
    assert first.outcome == Outcome(OutcomeKind.OUT_OF_FUEL)
    assert first == second


def test_other_jobs_keep_the_machines_clock(runtime: Runtime, run: Run, simulate: Simulate) -> None:
    guest = look(Guest())
    simulate(guest)
    assert times(run(guest.wasm()))[0] > 1_000_000 * SECOND


def test_code_for_a_deterministic_job_is_kept_apart(runtime: Runtime) -> None:
    keys = {
        runtime.artifact_key(Terms(Limits(fuel=fuel), determinism))
        for fuel in (None, 1)
        for determinism in (None, Determinism())
    }
    assert len(keys) == 4
    assert runtime.artifact_key(Terms(Limits(), Determinism(1, 2))) in keys
