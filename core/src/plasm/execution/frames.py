"""The frames between a worker process and its parent; no I/O.

A frame is a tag (1 byte), the length of the payload (4 bytes, little-endian) and the payload.  What a worker sends
is not trusted: control payloads are JSON, data payloads raw bytes, and both are bounded.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterator, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final  # too slow to import before the fork of a worker

MAX_PAYLOAD_BYTES: Final = 2**20
MAX_TRACE_BYTES: Final = 16 * 2**10

# The descriptors of a worker: two pipes for frames, two for the output of its job.
READ_FD: Final = 3
WRITE_FD: Final = 4
STDOUT_FD: Final = 5
STDERR_FD: Final = 6

_HEADER: Final = struct.Struct("<cI")
HEADER_BYTES: Final = _HEADER.size

# From the parent.  START and JOB carry marshal data, ARTIFACT and MODULE the bytes themselves; these may be longer
# than MAX_PAYLOAD_BYTES, for a worker trusts its parent.  ELSEWHERE takes the job back before it has begun.
START: Final = b"S"
JOB: Final = b"J"
ARTIFACT: Final = b"A"
MODULE: Final = b"M"
ELSEWHERE: Final = b"L"
STDIN: Final = b"I"
STDIN_END: Final = b"Z"

# From the worker, in the order that parent/conversation.py allows: READY once; for each job PREPARING with the
# artifact's key where the module is not in memory, MODULE_WANTED where the artifact is of no use, COMPILED with parts
# of a new artifact, RUNNING after any of these or where stdin is awaited (STDIN follows), and RESULT or FAILED.  TRACE
# is what a worker says before it ends by an exception.  Output does not come in frames: the module writes into two
# pipes of its own.
READY: Final = b"r"
PREPARING: Final = b"p"
MODULE_WANTED: Final = b"m"
COMPILED: Final = b"c"
RUNNING: Final = b"x"
RESULT: Final = b"R"
FAILED: Final = b"E"
TRACE: Final = b"t"


class FrameError(Exception):
    """The other side does not keep to the protocol."""


def encode(tag: bytes, payload: bytes | memoryview = b"") -> bytes:
    """One frame."""
    return _HEADER.pack(tag, len(payload)) + payload


def header(data: bytes) -> tuple[bytes, int]:
    """Tag and payload length from the first :data:`HEADER_BYTES` bytes of a frame."""
    tag, length = _HEADER.unpack(data)
    return tag, length


def encode_start(runtime: str, environment: Mapping[str, str]) -> bytes:
    """The payload of START: the runtime to load, and the variables that configure Plasm."""
    return marshal.dumps((runtime, dict(environment)))


def decode_start(payload: bytes) -> tuple[str, dict[str, str]]:
    """The inverse of :func:`encode_start`, for a worker."""
    runtime, environment = marshal.loads(payload)
    return runtime, environment


class Decoder:
    """Bytes in, frames out; for the side that must not trust the other."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The frames that are complete with ``data``.

        Raises:
            FrameError: a frame announces more than :data:`MAX_PAYLOAD_BYTES`.
        """
        buffer = self._buffer + data
        start, available = 0, len(buffer)
        try:
            while available - start >= HEADER_BYTES:
                tag, length = _HEADER.unpack_from(buffer, start)
                if length > MAX_PAYLOAD_BYTES:
                    raise FrameError(f"a frame of {length} bytes")
                end = start + HEADER_BYTES + length
                if end > available:
                    break
                payload = buffer[start + HEADER_BYTES : end]
                start = end
                yield tag, payload
        finally:
            self._buffer = buffer[start:]
