"""Messages over a transport's streams: the state machines of ``plasm.mesh`` with their sockets."""

from __future__ import annotations

from collections import deque
from typing import Final

import anyio

from plasm.contracts.transport import ByteStream
from plasm.errors import ProtocolViolation
from plasm.mesh.framing import MAX_CONTROL_BYTES, Deframer, frame
from plasm.mesh.job_stream import JobStream
from plasm.mesh.messages import Message

_RECEIVE_BYTES: Final = 2**18


class JobChannel:
    """One end of a job's stream.  Messages may be sent from several tasks; one task receives."""

    def __init__(self, stream: ByteStream, machine: JobStream) -> None:
        self._stream = stream
        self._machine = machine
        self._arrived: deque[Message] = deque()
        self._sending = anyio.Lock()

    async def send(self, message: Message) -> None:
        """Send ``message``; waits while the other end does not read.

        Raises:
            BrokenResourceError: the stream is gone.
            ProtocolViolation: the message is not ours to send now.
        """
        async with self._sending:
            await self._stream.send(self._machine.send(message))

    async def receive(self) -> Message | None:
        """The next message; ``None`` when the other end sends no more.

        Raises:
            BrokenResourceError: the stream is gone.
            ProtocolViolation: the other end does not keep to the protocol.
        """
        while not self._arrived:
            data = await self._stream.receive(_RECEIVE_BYTES)
            if not data:
                self._machine.receive_eof()
                return None
            self._arrived.extend(self._machine.receive_data(data))
        return self._arrived.popleft()


async def send_only(stream: ByteStream, payload: bytes) -> None:
    """Answer a stream with one frame, and no more."""
    await stream.send(frame(payload))
    await stream.send_eof()


async def receive_only(stream: ByteStream) -> bytes:
    """The one frame with which a stream is answered.

    Raises:
        BrokenResourceError: the stream is gone.
        ProtocolViolation: no frame, more than one, or one too large.
    """
    deframer, size = Deframer(), 0
    frames: list[bytes] = []
    while data := await stream.receive(_RECEIVE_BYTES):
        size += len(data)
        if size > MAX_CONTROL_BYTES:
            raise ProtocolViolation("an answer larger than any may be")
        frames += deframer.feed(data)
    if deframer.pending or len(frames) != 1:
        raise ProtocolViolation("an answer that is not one frame")
    return frames[0]
