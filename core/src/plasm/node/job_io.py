"""What goes into a job that this node runs, and what comes out of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Final, Protocol

import anyio
import anyio.from_thread

from plasm.contracts.runtime import Stream
from plasm.errors import ProtocolViolation
from plasm.mesh.messages import MAX_CHUNK_BYTES, Message, OutputChunk

_PIPE_BYTES: Final = 2**20


class MessageChannel(Protocol):
    """What a job's messages come and go by: a peer's stream, or the control socket."""

    async def send(self, message: Message) -> None: ...

    async def receive(self) -> Message | None: ...


class SendingSink:
    """Sends a job's output to the client, from the thread that the job runs in; ``lost`` when the client is gone."""

    def __init__(self, channel: MessageChannel) -> None:
        self._channel = channel
        self.lost = False

    def write(self, stream: Stream, data: bytes) -> bool:
        try:
            for start in range(0, len(data), MAX_CHUNK_BYTES):
                chunk = OutputChunk(stream, data[start : start + MAX_CHUNK_BYTES])
                anyio.from_thread.run(self._channel.send, chunk)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self.lost = True
        return not self.lost


class JobInput:
    """A pipe from the stream to the job; ``lost`` when the client has gone, ``violation`` when it misbehaved."""

    def __init__(self, expected: bool) -> None:
        self.read_end: int | None = None
        self._write_end: int | None = None
        self.lost = False
        self.violation: ProtocolViolation | None = None
        if expected:
            self.read_end, self._write_end = os.pipe()
            os.set_blocking(self._write_end, False)
            with contextlib.suppress(OSError):  # more than this user may have; it works without
                fcntl.fcntl(self._write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    async def write(self, data: bytes) -> None:
        """Pass ``data`` on; waits while the job does not read.  Dropped once the job has ended."""
        view = memoryview(data)
        while view and self._write_end is not None:
            try:
                view = view[os.write(self._write_end, view) :]
            except BlockingIOError:
                await anyio.wait_writable(self._write_end)
            except BrokenPipeError:
                self.end()

    def end(self) -> None:
        """There is no more."""
        if self._write_end is not None:
            os.close(self._write_end)
            self._write_end = None

    def __enter__(self) -> JobInput:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        if self.read_end is not None:
            os.close(self.read_end)
