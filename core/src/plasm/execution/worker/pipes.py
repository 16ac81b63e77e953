"""The worker's ends of the two pipes for frames.  The parent is trusted, so frames are not bounded here."""

from __future__ import annotations

import json
import os

from plasm.errors import PlasmError
from plasm.execution import frames
from plasm.execution.frames import READ_FD, WRITE_FD


class ParentGone(Exception):
    """The parent has ended, or wants no more of this process."""


class FramePipes:
    """Frames from the parent and to it.  Every method raises :class:`ParentGone` where there is no parent."""

    def receive(self) -> tuple[bytes, bytes]:
        """The next frame; waits for it."""
        tag, length = frames.header(self._read(frames.HEADER_BYTES))
        return tag, self._read(length)

    def send(self, tag: bytes, payload: bytes = b"") -> None:
        """Send one frame; waits while the parent does not read."""
        view = memoryview(frames.encode(tag, payload))
        try:
            while view:
                view = view[os.write(WRITE_FD, view) :]
        except BrokenPipeError:
            raise ParentGone from None

    def send_error(self, error: PlasmError) -> None:
        """Report why a job, or the whole worker, cannot go on."""
        text = {"code": error.code, "message": error.message[:4096], "hint": error.hint[:4096]}
        self.send(frames.FAILED, json.dumps(text).encode())

    def send_trace(self, error: BaseException) -> None:
        """Tell the author of a plugin where ``error`` came from; a long traceback loses its beginning."""
        import traceback

        text = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace")
        self.send(frames.TRACE, text[-frames.MAX_TRACE_BYTES :])

    def _read(self, length: int) -> bytes:
        data = os.read(READ_FD, length) if length else b""
        if len(data) == length:
            return data
        chunks = bytearray(data)
        while len(chunks) < length:
            data = os.read(READ_FD, min(length - len(chunks), 2**20))
            if not data:
                raise ParentGone
            chunks += data
        return bytes(chunks)
