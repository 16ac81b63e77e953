"""What extensions are told of jobs."""

from __future__ import annotations

from enum import StrEnum


class JobEvent(StrEnum):
    """How a job went on."""

    STARTED = "started"
    FINISHED = "finished"
