"""A running job can be told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plasm.jobs.cancellation import Cancellation
from plasm.jobs.sinks import CollectingSink
from plasm.model import LimitKind, Outcome, OutcomeKind
from plasm.testing._workbench import Finished, Workbench, limits, needs

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream
    from plasm.model import Limits


class _CancelAtFirstOutput(CollectingSink):
    def __init__(self, cancellation: Cancellation) -> None:
        super().__init__()
        self._cancellation = cancellation

    def write(self, stream: Stream, data: bytes) -> bool:
        self._cancellation.cancel()
        return super().write(stream, data)


class Cancelling(Workbench):
    """Cancellation of jobs that would not end by themselves."""

    def test_a_busy_job_is_cancelled(self) -> None:
        """A busy job is cancelled, and the next one runs."""
        assert self._cancelled().kind is OutcomeKind.CANCELLED, self._cancelled()
        after = self.run("exit", "5")
        assert after.outcome == Outcome.exited(5), after

    @needs(LimitKind.FUEL)
    def test_a_busy_job_that_counts_fuel_is_cancelled(self) -> None:
        """A busy job that counts its fuel is cancelled."""
        finished = self._cancelled(limits(fuel=2**52))
        assert finished.kind is OutcomeKind.CANCELLED, finished

    def test_a_flood_is_cancelled(self) -> None:
        """A job that floods its output is cancelled."""
        finished = self._cancelled(limits(output=2**40), "flood")
        assert finished.kind is OutcomeKind.CANCELLED, finished

    def _cancelled(self, bounds: Limits | None = None, command: str = "busy") -> Finished:
        with Cancellation() as cancellation:
            sink = _CancelAtFirstOutput(cancellation)
            return self.run(command, limits=bounds, cancellation=cancellation, sink=sink)
