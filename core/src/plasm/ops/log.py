"""What a process that runs long tells of itself, a node or a provider: one line an event, JSON unless somebody watches.

The events are those of :class:`Event`.  Every line has the time (UTC, ISO 8601), the event and the facts that belong to
it, such as the peer and the job that it is about.  What comes from peers is escaped, and cut after 1024 characters.
"""

from __future__ import annotations

import logging
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Final, TextIO

import structlog

from plasm.model.text import printable

_FRAMES: Final = 5
_MAX_TEXT_CHARS: Final = 1024


class Event(StrEnum):
    """All events; a node and a provider have most of them in common."""

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
    UNDRAINED = "undrained"
    STOPPED = "stopped"
    DISCOVERY_FAILED = "discovery-failed"
    RELOADED = "reloaded"
    RELOAD_FAILED = "reload-failed"
    PRUNED = "pruned"
    PRUNING_FAILED = "pruning-failed"
    PLUGIN_FAILED = "plugin-failed"
    WARNING = "warning"


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
        """Tell that ``event`` happened.

        Args:
            event: which one.
            facts: what belongs to it; numbers stay numbers, everything else is shown as text, ``None`` is left out.
        """
        plain = {name: _shown(value) for name, value in facts.items() if value is not None}
        self._logger.msg(event.value, **plain)


class LibraryWarnings(logging.Handler):
    """Makes events of what plugins and libraries warn of through :mod:`logging`.

    Text of peers may be in it, and whoever reads the log wants one form.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """See :class:`logging.Handler`."""
        try:
            error = record.exc_info[1] if record.exc_info else None
            frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:] if error else []
            self._log.event(
                Event.WARNING,
                source=record.name,
                detail=record.getMessage(),
                error=repr(error) if error else None,
                where=", ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames) or None,
            )
        except Exception:
            self.handleError(record)


def _shown(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    return printable(str(value)[:_MAX_TEXT_CHARS])
