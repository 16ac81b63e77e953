"""A job's input on its way from STDIN frames to a descriptor that the job reads."""

from __future__ import annotations

import os
import threading

from plasm.errors import InvalidInput
from plasm.execution import frames
from plasm.execution.worker.pipes import FramePipes
from plasm.execution.worker.rlimits import MAX_STDIN_FILE_BYTES


class StdinFeed:
    """Carries STDIN frames into a pipe that the job reads, until STDIN_END; what the job leaves is dropped."""

    def __init__(self, pipes: FramePipes) -> None:
        self._pipes = pipes
        self.descriptor, self._write_end = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading for the job; returns when the parent has said STDIN_END."""
        os.close(self.descriptor)
        self._thread.join()

    def _carry(self) -> None:
        open_end: int | None = self._write_end
        while True:
            tag, data = self._pipes.receive()
            try:
                view = memoryview(data)
                while open_end is not None and view:
                    view = view[os.write(open_end, view) :]
            except BrokenPipeError:
                os.close(self._write_end)
                open_end = None
            if tag == frames.STDIN_END:
                if open_end is not None:
                    os.close(open_end)
                return


class StdinFile:
    """All of a deterministic job's input in a file that exists in memory only: how much of a pipe one read gets would
    depend on the moment.  A confined worker cannot make such files, so one is made beforehand for all its jobs.
    """

    def __init__(self, pipes: FramePipes) -> None:
        self._pipes = pipes
        self.descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)

    def fill(self) -> None:
        """Take in everything until STDIN_END.

        Raises:
            InvalidInput: it is larger than :data:`~plasm.execution.worker.rlimits.MAX_STDIN_FILE_BYTES`.
        """
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        size = 0
        while True:
            tag, data = self._pipes.receive()
            size += len(data)
            if tag == frames.STDIN_END:
                break
            if size <= MAX_STDIN_FILE_BYTES:
                os.write(self.descriptor, data)
        if size > MAX_STDIN_FILE_BYTES:
            raise InvalidInput(f"the input of a deterministic job may have {MAX_STDIN_FILE_BYTES} bytes at most")
        os.lseek(self.descriptor, 0, os.SEEK_SET)

    def close(self) -> None:
        """Empty the file, for the next job."""
        os.ftruncate(self.descriptor, 0)
