"""Time and random numbers of a job that is not deterministic are the machine's."""

from __future__ import annotations

import struct
import time
from typing import Final

from plasm.model import Outcome
from plasm.testing._workbench import Workbench, guest

_TOLERANCE_NS: Final = 1_000_000_000
_NAP_MS: Final = 20
_DRAWN_BYTES: Final = 1005


class Clocks(Workbench):
    """Clocks and random numbers."""

    def test_the_wall_clock_is_the_machines(self) -> None:
        """The wall clock is the machine's."""
        before = time.time_ns() - _TOLERANCE_NS
        finished = self.run(module=guest("clock"))
        after = time.time_ns() + _TOLERANCE_NS
        assert finished.outcome == Outcome.exited(0), finished
        told = struct.unpack("<4Q", finished.stdout)[0]
        assert before <= told <= after, f"the job was told {told}, it was {after - _TOLERANCE_NS}"

    def test_the_monotonic_clock_does_not_go_back(self) -> None:
        """The monotonic clock does not go back."""
        finished = self.run("monotonic")
        assert finished.outcome == Outcome.exited(0), finished

    def test_a_sleep_takes_its_time(self) -> None:
        """A sleep takes at least as long as was asked for."""
        finished = self.run("sleep", str(_NAP_MS))
        assert finished.outcome == Outcome.exited(0), finished
        assert finished.number >= _NAP_MS * 1_000_000, finished

    def test_random_bytes_differ(self) -> None:
        """Random bytes differ from one job to the next."""
        drawn = [self.run(module=guest("random")) for _ in range(2)]
        assert all(len(finished.stdout) == _DRAWN_BYTES for finished in drawn), drawn[0]
        assert drawn[0].stdout != drawn[1].stdout, drawn[0]
        assert drawn[0].stdout[:500] != drawn[0].stdout[500:1000], drawn[0]
