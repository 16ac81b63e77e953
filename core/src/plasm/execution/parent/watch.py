"""Watches what a running job uses where no event tells: processor time, and bytes written to files."""

from __future__ import annotations

import math
import os
import time
from typing import Final

from plasm.execution.parent.metering import Meter
from plasm.jobs.job import Job
from plasm.model import OutcomeKind

_CORES: Final = os.cpu_count() or 1
_SHORTEST_LOOK_S: Final = 0.002
_FILES_LOOK_S: Final = 0.02
_PIPE_BYTES: Final = 2**20
"""What a job may have written into pipes and we have not read; two pipes hold less."""


class UsageWatch:
    """Watches one job; ``next_look`` is the moment, on the monotonic clock, at which :meth:`exceeded` is to be asked
    again at the latest."""

    def __init__(self, meter: Meter, job: Job) -> None:
        self._meter = meter
        self._cpu_time = job.manifest.limits.cpu_time
        self._files = job.manifest.limits.files if job.writes_files else None
        self.next_look = math.inf

    def start(self) -> None:
        """Watch from now on."""
        if self._files is not None:
            self._meter.start_files()
        if self._cpu_time is not None or self._files is not None:
            self.next_look = 0.0

    def exceeded(self, output: int) -> OutcomeKind | None:
        """Which limit has been passed; ``output`` counts the bytes that came as the job's output."""
        now = time.monotonic()
        if now < self.next_look:
            return None
        wait = math.inf
        if self._cpu_time is not None:
            left = self._cpu_time / 1000 - self._meter.cpu_time_us() / 1e6
            if left <= 0:
                return OutcomeKind.OUT_OF_CPU_TIME
            wait = max(left / _CORES, _SHORTEST_LOOK_S)
        if self._files is not None:
            if self._meter.written_bytes() - output > self._files + _PIPE_BYTES:
                return OutcomeKind.FILE_LIMIT
            wait = min(wait, _FILES_LOOK_S)
        self.next_look = now + wait
        return None
