"""What a node tells of itself: one line an event, JSON unless somebody watches.

The events are those of :class:`Event`; every line has the time and the event, and the peer and the job that it is
about.  What comes from peers is escaped.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TextIO

import structlog


class Event(StrEnum):
    """Everything that a node logs."""

    LISTENING = "listening"
    METRICS = "metrics"
    ADVERTISED = "advertised"
    CONNECTED = "connected"
    IDENTIFIED = "identified"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FINISHED = "finished"
    FAILED = "failed"
    GONE = "gone"
    VIOLATION = "violation"
    BANNED = "banned"
    DRAINING = "draining"
    STOPPED = "stopped"
    DISCOVERY_FAILED = "discovery-failed"
    RELOADED = "reloaded"
    RELOAD_FAILED = "reload-failed"
    PRUNED = "pruned"
    PRUNING_FAILED = "pruning-failed"


class Log:
    """Writes events to ``stream``, stderr unless told; ``readable`` as text, where it is a terminal unless told."""

    def __init__(self, stream: TextIO | None = None, *, readable: bool | None = None) -> None:
        stream = stream or sys.stderr
        readable = stream.isatty() if readable is None else readable
        lines = structlog.dev.ConsoleRenderer(colors=stream.isatty())
        self._logger = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                lines if readable else structlog.processors.JSONRenderer(ensure_ascii=True),
            ],
        )

    def event(self, event: Event, **facts: object) -> None:
        """Tell that ``event`` happened."""
        plain = {name: _shown(value) for name, value in facts.items() if value is not None}
        self._logger.msg(event.value, **plain)


def _shown(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    text = str(value)
    if text.isascii() and text.isprintable():
        return text[:1024]
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:1024])
