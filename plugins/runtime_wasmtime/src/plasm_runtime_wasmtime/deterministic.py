"""WASI preview 1 for a deterministic job: a clock and random numbers that are the same on every machine.

Everything else that a guest without folders can ask for is the same anyway: the engine gives standard streams
neither times nor inode numbers, and reads a file on stdin in pieces of a fixed size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wasmtime import Engine, Trap, ValType

from plasm.contracts.runtime import Terms
from plasm.model import Determinism, RandomStream, VirtualClock
from plasm.model.determinism import CLOCK_STEP_NS
from plasm_runtime_wasmtime import capi
from plasm_runtime_wasmtime.memory import Fault, GuestMemory
from plasm_runtime_wasmtime.polling import (
    ABSOLUTE,
    CLOCK,
    EVENT_BYTES,
    FD_WRITE,
    SUBSCRIPTION_BYTES,
    Subscription,
    subscriptions,
)
from plasm_runtime_wasmtime.wasi import Wasi

Function = Callable[..., int]
"""Takes the guest's memory and the call's arguments, all unsigned, and returns an errno."""

_U32, _U64 = 2**32 - 1, 2**64 - 1
_SUCCESS, _BADF, _FAULT, _INVAL = 0, 8, 21, 28
_CLOCKS = range(4)
_STANDARD_STREAMS = range(3)
_MOST_SUBSCRIPTIONS = 1024
_RANDOM_PIECE_BYTES = 65536


class DeterministicWasi(Wasi):
    """The engine's WASI with a virtual clock and a random stream, new for each job."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        i32, i64 = ValType.i32(), ValType.i64()
        self._define("clock_res_get", [i32, i32], self._clock_res_get)
        self._define("clock_time_get", [i32, i64, i32], self._clock_time_get)
        self._define("poll_oneoff", [i32, i32, i32, i32], self._poll_oneoff)
        self._define("random_get", [i32, i32], self._random_get)

    def begin(self, terms: Terms) -> None:
        """See :meth:`Wasi.begin`."""
        super().begin(terms)
        determinism = terms.determinism or Determinism()
        self._clock = VirtualClock(determinism)
        self._random = RandomStream(determinism)

    def _define(self, name: str, parameters: list[ValType], function: Function) -> None:
        fields = [(position, str(kind)) for position, kind in enumerate(parameters)]

        def callback(_data: Any, caller: Any, values: Any, _count: int) -> int:
            arguments = [
                values[position].i32 & _U32 if kind == "i32" else values[position].i64 & _U64
                for position, kind in fields
            ]
            try:
                values[0].i32 = function(GuestMemory(*capi.caller_memory(caller)), *arguments)
            except Fault:
                values[0].i32 = _FAULT
            except Exception as error:  # ctypes would drop it and the guest go on
                return capi.trap(Trap(f"{name} failed: {error!r}"))
            return capi.NO_TRAP

        self._kept.append(capi.define_wasi_function(self.linker, name, parameters, [ValType.i32()], callback))

    def _clock_res_get(self, memory: GuestMemory, clock: int, target: int) -> int:
        if clock not in _CLOCKS:
            return _INVAL
        memory.write(target, CLOCK_STEP_NS.to_bytes(8, "little"))
        return _SUCCESS

    def _clock_time_get(self, memory: GuestMemory, clock: int, _precision: int, target: int) -> int:
        if clock not in _CLOCKS:
            return _INVAL
        memory.check(target, 8)
        memory.write(target, min(self._clock.read(), _U64).to_bytes(8, "little"))
        return _SUCCESS

    def _random_get(self, memory: GuestMemory, target: int, length: int) -> int:
        memory.check(target, length)
        # In pieces, for a guest may ask for as much as it has memory.
        for start in range(0, length, _RANDOM_PIECE_BYTES):
            memory.write(target + start, self._random.read(min(_RANDOM_PIECE_BYTES, length - start)))
        return _SUCCESS

    def _poll_oneoff(self, memory: GuestMemory, source: int, target: int, count: int, events: int) -> int:
        if not 0 < count <= _MOST_SUBSCRIPTIONS:
            return _INVAL
        memory.check(target, count * EVENT_BYTES)
        memory.check(events, 4)
        wanted = subscriptions(memory.read(source, count * SUBSCRIPTION_BYTES))
        if not all(map(_is_valid, wanted)):
            return _INVAL
        happened = [_ready(each) for each in wanted if each.kind != CLOCK] or self._sleep(wanted)
        memory.write(target, b"".join(happened))
        memory.write(events, len(happened).to_bytes(4, "little"))
        return _SUCCESS

    def _sleep(self, timeouts: list[Subscription]) -> list[bytes]:
        now = self._clock.read()
        moments = [min(each.timeout if each.flags & ABSOLUTE else now + each.timeout, _U64) for each in timeouts]
        now = max(now, min(moments))
        self._clock.sleep_until(now)
        return [each.event() for each, moment in zip(timeouts, moments, strict=True) if moment <= now]


def _is_valid(subscription: Subscription) -> bool:
    if subscription.kind == CLOCK:
        return subscription.subject in _CLOCKS and subscription.flags <= ABSOLUTE
    return subscription.kind <= FD_WRITE


def _ready(subscription: Subscription) -> bytes:
    # How much can be read or written depends on the machine; a guest that tries finds out.
    if subscription.subject not in _STANDARD_STREAMS:
        return subscription.event(error=_BADF)
    return subscription.event(readable=1)
