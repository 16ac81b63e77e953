"""A deterministic job gives the same bytes in every worker, and those that :mod:`plasm.model.determinism` says."""

from __future__ import annotations

import os
import struct
import time
from itertools import pairwise
from typing import Final

from plasm.artifacts.modules import Module
from plasm.model import Determinism, Feature, Outcome, RandomStream, VirtualClock
from plasm.testing._workbench import Finished, Workbench, guest, needs

_TERMS: Final = Determinism(clock=1_767_225_600, seed=7)
_INPUT: Final = bytes(range(256)) * 1500


class DeterministicJobs(Workbench):
    """The virtual clock and the random stream, and what else could tell two machines apart."""

    @needs(Feature.DETERMINISM)
    def test_a_deterministic_job_gives_the_same_bytes_in_two_workers(self) -> None:
        """A deterministic job gives the same bytes in two workers."""
        finished = self._twice(guest("pieces"), stdin=_INPUT)
        counts = [count for (count,) in struct.iter_unpack("<I", finished.stdout)]
        assert sum(counts) == len(_INPUT), finished

    @needs(Feature.DETERMINISM)
    def test_deterministic_input_comes_in_the_same_pieces_from_a_pipe(self) -> None:
        """Standard input comes to a deterministic job in the same pieces, whatever it came from."""
        from_bytes = self.run(module=guest("pieces"), stdin=_INPUT[:30_000], determinism=_TERMS)
        reading, writing = os.pipe()
        os.write(writing, _INPUT[:30_000])
        os.close(writing)
        from_pipe = self.run(module=guest("pieces"), stdin=reading, determinism=_TERMS)
        os.close(reading)
        assert from_pipe.stdout == from_bytes.stdout, f"{from_pipe}; from bytes: {from_bytes}"

    @needs(Feature.DETERMINISM)
    def test_deterministic_streams_tell_nothing_of_the_machine(self) -> None:
        """What a deterministic job can learn of its standard streams is the same in two workers."""
        self._twice(guest("streams"), stdin=_INPUT)

    @needs(Feature.DETERMINISM)
    def test_the_deterministic_clock_is_the_virtual_one(self) -> None:
        """A deterministic job's clocks start at the manifest's clock, and each reading adds a microsecond."""
        finished = self._twice(guest("clock"))
        clock = VirtualClock(_TERMS)
        assert finished.stdout == struct.pack("<4Q", *(clock.read() for _ in range(4))), finished

    @needs(Feature.DETERMINISM)
    def test_a_deterministic_sleep_takes_no_time(self) -> None:
        """A deterministic job sleeps for a day in no time, and its clock is that much later."""
        finished = self._twice(guest("nap"))
        clock = VirtualClock(_TERMS)
        first = clock.read()
        clock.sleep_until(clock.read() + 3_600_000_000_000)
        second = clock.read()
        clock.sleep_until(first + 86_400_000_000_000)
        told = struct.unpack("<3Q", finished.stdout)
        assert told == (first, second, clock.read()), [later - earlier for earlier, later in pairwise(told)]

    @needs(Feature.DETERMINISM)
    def test_deterministic_random_bytes_grow_from_the_seed(self) -> None:
        """A deterministic job's random bytes are those of the manifest's seed, from their beginning."""
        finished = self._twice(guest("random"))
        assert finished.stdout == RandomStream(_TERMS).read(1005), finished
        other = self.run(module=guest("random"), determinism=Determinism(seed=8))
        assert other.stdout == RandomStream(Determinism(seed=8)).read(1005), other

    @needs(Feature.DETERMINISM)
    def test_a_job_after_a_deterministic_one_has_the_real_clock(self) -> None:
        """A job after a deterministic one, of the same module, has the machine's clock again."""
        before = time.time_ns() - 1_000_000_000
        self.run(module=guest("clock"), determinism=Determinism())
        finished = self.run(module=guest("clock"))
        assert struct.unpack("<4Q", finished.stdout)[0] > before, finished

    def _twice(self, module: Module, stdin: bytes | None = None) -> Finished:
        """Run ``module`` twice in one worker and once in another; the results are the same."""
        with self.new_executor() as executor:
            first, again = (self.run(module=module, stdin=stdin, determinism=_TERMS) for _ in range(2))
            elsewhere = self.run(module=module, stdin=stdin, determinism=_TERMS, executor=executor)
        for finished in (first, again, elsewhere):
            assert finished.outcome == Outcome.exited(0), finished
            assert finished.stdout == first.stdout, f"{finished}; before: {first}"
        return first
