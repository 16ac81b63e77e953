"""What a worker process uses, read from outside, and the limits on it for which no event comes.

Nothing that a job does can change these numbers.  See proc(5) and clock_getres(2).  A process that has ended is no
longer read; :class:`Meter` then remembers.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from typing import Final

from plasm.jobs.job import Job
from plasm.model import OutcomeKind

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_FORGET_PEAK: Final = b"5"
_CORES: Final = os.cpu_count() or 1
_SHORTEST_LOOK_SECONDS: Final = 0.002
_FILES_LOOK_SECONDS: Final = 0.02
_PIPE_BYTES: Final = 2**20
"""What a job may have written into pipes and we have not read; two pipes hold less."""


class Meter:
    """The use of process ``pid`` since :meth:`start` was last called, and since :meth:`restart` within that."""

    def __init__(self, pid: int) -> None:
        self._folder = f"/proc/{pid}"
        self._clock = (~pid << 3) | 2  # the clock of a process's own time, as clock_getcpuclockid(3) makes it
        self._statm = self._open("statm", os.O_RDONLY)
        self._peak = self._open("clear_refs", os.O_WRONLY)
        self.start()

    def start(self) -> None:
        """Count from now on."""
        self._wall_first = time.monotonic_ns()
        self._cpu_first = self._cpu_ns()
        self._written_start = 0
        self.restart()
        self.resident_start = self.resident()
        if self._peak is not None:
            with contextlib.suppress(OSError):
                os.write(self._peak, _FORGET_PEAK)

    def restart(self) -> None:
        """Count from now on, and remember what has been counted."""
        self._wall_start = time.monotonic_ns()
        self._cpu_start = self._cpu_ns()

    def start_files(self) -> None:
        """Count what is written from now on."""
        self._written_start = self._written()

    def cpu_time_us(self) -> int:
        """Processor time of all threads in microseconds."""
        return (self._cpu_ns() - self._cpu_start) // 1000

    def believable(self, wall_time_us: int, cpu_time_us: int) -> tuple[int, int]:
        """What the process says that it took, as far as that can be: no less than since the restart, which may have
        been seen late, and no more than since the start."""
        wall, cpu = time.monotonic_ns(), self._cpu_ns()
        return (
            min(max(wall_time_us, (wall - self._wall_start) // 1000), (wall - self._wall_first) // 1000),
            min(max(cpu_time_us, (cpu - self._cpu_start) // 1000), (cpu - self._cpu_first) // 1000),
        )

    def written_bytes(self) -> int:
        """Bytes given to the kernel to write, wherever to."""
        return self._written() - self._written_start

    def resident(self) -> int:
        """Bytes of memory that the process has now."""
        if self._statm is None:
            return 0
        try:
            return int(os.pread(self._statm, 64, 0).split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):
            return 0

    def peak_growth(self) -> int | None:
        """Bytes by which its memory was larger than at the start, at its largest; ``None`` where it has ended."""
        try:
            with open(f"{self._folder}/status", "rb") as status:
                for line in status:
                    if line.startswith(b"VmHWM:"):
                        return max(0, int(line.split()[1]) * 1024 - self.resident_start)
        except OSError:
            pass
        return None

    def close(self) -> None:
        """Stop reading."""
        for descriptor in (self._statm, self._peak):
            if descriptor is not None:
                os.close(descriptor)
        self._statm = self._peak = None

    def _cpu_ns(self) -> int:
        with contextlib.suppress(OSError):
            self._cpu_last = time.clock_gettime_ns(self._clock)
        return self._cpu_last

    def _written(self) -> int:
        try:
            with open(f"{self._folder}/io", "rb") as io:
                return int(io.read().split(b"wchar: ")[1].split()[0])
        except (OSError, IndexError):
            return 0

    def _open(self, name: str, flags: int) -> int | None:
        try:
            return os.open(f"{self._folder}/{name}", flags | os.O_CLOEXEC)
        except OSError:
            return None  # another system's proc; the process itself is there


class UsageWatch:
    """Watches one job; ``next_look`` is the moment, on the monotonic clock, at which :meth:`exceeded` is to be asked
    again at the latest."""

    def __init__(self, meter: Meter, job: Job) -> None:
        self._meter = meter
        self._cpu_time_ms = job.manifest.limits.cpu_time
        self._files_bytes = job.manifest.limits.files if job.writes_files else None
        self.next_look = math.inf

    def start(self) -> None:
        """Watch from now on."""
        if self._files_bytes is not None:
            self._meter.start_files()
        if self._cpu_time_ms is not None or self._files_bytes is not None:
            self.next_look = 0.0

    def exceeded(self, output_bytes: int) -> OutcomeKind | None:
        """Which limit has been passed; ``output_bytes`` came as the job's output."""
        now = time.monotonic()
        if now < self.next_look:
            return None
        wait_s = math.inf
        if self._cpu_time_ms is not None:
            left_s = self._cpu_time_ms / 1000 - self._meter.cpu_time_us() / 1e6
            if left_s <= 0:
                return OutcomeKind.OUT_OF_CPU_TIME
            wait_s = max(left_s / _CORES, _SHORTEST_LOOK_SECONDS)
        if self._files_bytes is not None:
            if self._meter.written_bytes() - output_bytes > self._files_bytes + _PIPE_BYTES:
                return OutcomeKind.FILE_LIMIT
            wait_s = min(wait_s, _FILES_LOOK_SECONDS)
        self.next_look = now + wait_s
        return None
