"""What has happened on a node since it started, in numbers.  Pure counting; who wants to see it asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from plasm.contracts import ByteStream
from plasm.mesh.messages import RejectReason
from plasm.model import OutcomeKind, PeerId
from plasm.node.store import JobState

DURATION_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0)
"""Up to how many seconds the jobs of each bucket ran; one more bucket has those that ran longer."""

ENDINGS: Final = (*(kind.value for kind in OutcomeKind), JobState.FAILED.value, JobState.GONE.value)
"""The ways in which an accepted job can end: an outcome, or that it could not be run, or its client went away."""


class Tally:
    """Counted in the event loop, read from anywhere."""

    def __init__(self) -> None:
        self.offers = 0
        self.rejections: Counter[RejectReason] = Counter()
        self.jobs: Counter[str] = Counter()
        self.durations = [0] * (len(DURATION_BUCKETS) + 1)
        self.duration_sum = 0.0
        self.violations = 0
        self.bans = 0
        self.received_bytes = 0
        self.sent_bytes = 0
        self._streams: Counter[PeerId] = Counter()

    @property
    def peers(self) -> int:
        """How many peers have a stream to us open now."""
        return len(self._streams)

    def ended(self, ending: str) -> None:
        """Count a job that has ended in one of :data:`ENDINGS`."""
        self.jobs[ending] += 1

    def ran(self, seconds: float) -> None:
        """Count how long a job ran."""
        self.durations[bisect_left(DURATION_BUCKETS, seconds)] += 1
        self.duration_sum += seconds

    @contextmanager
    def serving(self, peer: PeerId, stream: ByteStream) -> Iterator[ByteStream]:
        """``stream`` of ``peer``'s with its bytes counted, and the peer while it lasts."""
        self._streams[peer] += 1
        try:
            yield _CountedStream(stream, self)
        finally:
            self._streams[peer] -= 1
            if not self._streams[peer]:
                del self._streams[peer]  # peers are many


class _CountedStream:
    """A stream whose bytes are counted."""

    def __init__(self, stream: ByteStream, tally: Tally) -> None:
        self._stream = stream
        self._tally = tally
        self.send_eof = stream.send_eof
        self.reset = stream.reset

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """See :class:`plasm.contracts.ByteStream`."""
        data = await self._stream.receive(max_bytes)
        self._tally.received_bytes += len(data)
        return data

    async def send(self, data: bytes) -> None:
        """See :class:`plasm.contracts.ByteStream`."""
        await self._stream.send(data)
        self._tally.sent_bytes += len(data)
