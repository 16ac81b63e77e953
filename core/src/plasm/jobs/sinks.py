"""Where the output of a job goes, as it comes, and what is measured of it on the way."""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

from plasm.model import OutcomeKind, Sha256

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream

_SPOOL_BYTES: Final = 16 * 2**20


class OutputSink(Protocol):
    """Takes a running job's output, as it comes."""

    def write(self, stream: Stream, data: bytes) -> bool:
        """Take ``data``, which the job wrote to ``stream``; may block, and the job waits then.

        Args:
            stream: ``"stdout"`` or ``"stderr"``.
            data: at least one byte; the parts of one stream come in their order.

        Returns:
            Whether it was taken; ``False`` stops the job.
        """
        ...


class AsyncOutputSink(Protocol):
    """An :class:`OutputSink` for asynchronous programs."""

    async def write(self, stream: Stream, data: bytes) -> bool:
        """See :meth:`OutputSink.write`."""
        ...


class CollectingSink:
    """An :class:`OutputSink` that keeps the output in memory."""

    def __init__(self) -> None:
        self._parts: dict[Stream, list[bytes]] = {"stdout": [], "stderr": []}

    def write(self, stream: Stream, data: bytes) -> bool:
        self._parts[stream].append(data)
        return True

    def content(self, stream: Stream) -> bytes:
        """All that the job wrote to ``stream``."""
        return b"".join(self._parts[stream])


class NonblockingSink:
    """An :class:`AsyncOutputSink` that writes to a ``sink`` which never blocks."""

    def __init__(self, sink: OutputSink) -> None:
        self._sink = sink

    async def write(self, stream: Stream, data: bytes) -> bool:
        return self._sink.write(stream, data)


class ThreadedSink:
    """An :class:`AsyncOutputSink` that writes to a ``sink`` in a thread, for that may block."""

    def __init__(self, sink: OutputSink) -> None:
        self._sink = sink

    async def write(self, stream: Stream, data: bytes) -> bool:
        import anyio.to_thread

        return await anyio.to_thread.run_sync(self._sink.write, stream, data)


class HeldOutput:
    """An :class:`AsyncOutputSink` that keeps the output until it may be seen; in a temporary file where it is large."""

    def __init__(self) -> None:
        import tempfile

        self._file = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115
        self._parts: list[tuple[Stream, int]] = []

    async def write(self, stream: Stream, data: bytes) -> bool:
        self._file.write(data)
        self._parts.append((stream, len(data)))
        return True

    async def release(self, sink: AsyncOutputSink) -> None:
        """Pass all of it on, in the order in which it came."""
        self._file.seek(0)
        for stream, size in self._parts:
            if not await sink.write(stream, self._file.read(size)):
                return

    def __enter__(self) -> HeldOutput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class Output:
    """What one job writes on its way to ``sink``, which gets ``max_bytes`` at most of both streams together.

    ``truncated`` are the streams whose end did not reach the sink; ``size`` counts the bytes that came, delivered or
    not.
    """

    def __init__(self, sink: OutputSink, max_bytes: int) -> None:
        self._sink = sink
        self._left = max_bytes
        self._hashes = {"stdout": hashlib.sha256(), "stderr": hashlib.sha256()}
        self.truncated: set[Stream] = set()
        self.size = 0

    def take(self, stream: Stream, data: bytes) -> OutcomeKind | None:
        """Pass ``data`` on; returns why the job has to stop, if it has."""
        self.size += len(data)
        fits = data[: self._left]
        self._left -= len(fits)
        delivered = bool(fits) and stream not in self.truncated and self._sink.write(stream, fits)
        if delivered:
            self._hashes[stream].update(fits)
        if len(fits) < len(data):
            self.truncated.add(stream)
            return OutcomeKind.OUTPUT_LIMIT
        if fits and not delivered:
            self.truncated.add(stream)
            return OutcomeKind.CANCELLED
        return None

    def digest(self, stream: Stream) -> Sha256:
        """SHA-256 of what the sink took."""
        return Sha256(self._hashes[stream].hexdigest())
