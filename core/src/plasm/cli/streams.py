"""The output of ``plasm run``, passed through to our own streams."""

from __future__ import annotations

import os
import select
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from plasm.errors import UnwritableOutput
from plasm.jobs.cancellation import Cancellation

if TYPE_CHECKING:
    from plasm.cli.report import Ended
    from plasm.contracts.runtime import Stream

_DESCRIPTORS: Final[Mapping[Stream, int]] = {"stdout": 1, "stderr": 2}


class PassThroughSink:
    """Writes a job's output to our stdout and stderr, byte for byte.

    ``closed`` tells whether the reader of one has gone; the job is stopped then.  While a slow reader makes us wait,
    ``cancellation`` is still heard.
    """

    def __init__(self, cancellation: Cancellation) -> None:
        self.closed = False
        self._cancellation = cancellation

    def write(self, stream: Stream, data: bytes) -> bool:
        descriptor = _DESCRIPTORS[stream]
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.register(self._cancellation.descriptor, select.POLLIN)
        view = memoryview(data)
        while view:
            ready = [ready for ready, _ in poll.poll()]
            if self._cancellation.descriptor in ready:
                return False
            try:
                view = view[os.write(descriptor, view[: select.PIPE_BUF]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self.closed = True
                return False
            except OSError as error:
                raise UnwritableOutput(f"the job's {stream} cannot be passed on: {error.strerror}") from None
        return True

    def show(self, ended: Ended, receipt: bytes) -> None:
        """Nothing more: it has all been passed on."""
