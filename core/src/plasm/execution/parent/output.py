"""A job's output on its way from the worker's pipes to the sink: counted, cut off at the limit, hashed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from plasm.model import OutcomeKind, Sha256

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream
    from plasm.jobs.sinks import OutputSink


class Output:
    """What one job writes.  ``truncated`` are the streams whose end did not reach the sink; ``size`` counts what came,
    delivered or not."""

    def __init__(self, sink: OutputSink, limit: int) -> None:
        self._sink = sink
        self._left = limit
        self._hashes = {"stdout": hashlib.sha256(), "stderr": hashlib.sha256()}
        self.truncated: set[Stream] = set()
        self.size = 0

    def take(self, stream: Stream, data: bytes) -> OutcomeKind | None:
        """Pass ``data`` on; returns why the job has to stop, if it has."""
        self.size += len(data)
        fits = data[: self._left]
        self._left -= len(fits)
        delivered = bool(fits) and stream not in self.truncated and self._sink.write(stream, fits)
        if delivered:
            self._hashes[stream].update(fits)
        if len(fits) < len(data):
            self.truncated.add(stream)
            return OutcomeKind.OUTPUT_LIMIT
        if fits and not delivered:
            self.truncated.add(stream)
            return OutcomeKind.CANCELLED
        return None

    def digest(self, stream: Stream) -> Sha256:
        """SHA-256 of what the sink took."""
        return Sha256(self._hashes[stream].hexdigest())
