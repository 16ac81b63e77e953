"""Where the output of a job goes, as it comes."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

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
