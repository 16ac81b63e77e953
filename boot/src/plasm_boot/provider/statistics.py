"""What a provider has counted since it started, for its status and its metrics."""

from __future__ import annotations

from collections import Counter


class Statistics:
    """Connections that are open, bytes of bodies that were sent, and answers by their status."""

    def __init__(self, now: float) -> None:
        self.started = now
        self.connections = 0
        self.sent_bytes = 0
        self.answers: Counter[int] = Counter()
