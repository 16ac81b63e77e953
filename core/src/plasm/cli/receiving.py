"""The output of ``plasm submit``, passed through to our own streams while everything else goes on."""

from __future__ import annotations

import os
import select
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import anyio

from plasm.errors import UnwritableOutput

if TYPE_CHECKING:
    from plasm.cli.report import Ended
    from plasm.contracts.runtime import Stream

_DESCRIPTORS: Final[Mapping[Stream, int]] = {"stdout": 1, "stderr": 2}


class PassThroughReceiver:
    """Writes a job's output to our stdout and stderr, byte for byte; ``closed`` when the reader of one has gone."""

    def __init__(self) -> None:
        self.closed = False

    async def write(self, stream: Stream, data: bytes) -> bool:
        descriptor = _DESCRIPTORS[stream]
        view = memoryview(data)
        while view:
            await _until_writable(descriptor)
            try:
                # No more than a pipe takes at once, for the descriptor may be one that waits.
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


async def _until_writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(0):
        await anyio.wait_writable(descriptor)
