"""Where the output of a job goes, as it comes."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from plasm.contracts.runtime import Stream

_SPOOL_BYTES: Final = 16 * 2**20


class OutputSink(Protocol):
    """Where a running job's output goes, as it comes."""

    def write(self, stream: Stream, data: bytes) -> bool:
        """Take ``data``; ``False`` says that it was not taken and that the job must stop."""
        ...


class CollectingSink:
    """Keeps a job's output in memory."""

    def __init__(self) -> None:
        self._parts: dict[Stream, list[bytes]] = {"stdout": [], "stderr": []}

    def write(self, stream: Stream, data: bytes) -> bool:
        self._parts[stream].append(data)
        return True

    def content(self, stream: Stream) -> bytes:
        """All that the job wrote to ``stream``."""
        return b"".join(self._parts[stream])


class OutputReceiver(Protocol):
    """Where the output of a job on a peer goes, as it comes."""

    async def write(self, stream: Stream, data: bytes) -> bool:
        """Take ``data``; ``False`` says that it was not taken and that the job must stop."""
        ...


class Immediately:
    """Passes output on to a sink that never waits."""

    def __init__(self, sink: OutputSink) -> None:
        self._sink = sink

    async def write(self, stream: Stream, data: bytes) -> bool:
        return self._sink.write(stream, data)


class HeldOutput:
    """Keeps a job's output, in a temporary file where it is large, until it may be seen."""

    def __init__(self) -> None:
        import tempfile

        self._file = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115
        self._parts: list[tuple[Stream, int]] = []

    async def write(self, stream: Stream, data: bytes) -> bool:
        self._file.write(data)
        self._parts.append((stream, len(data)))
        return True

    async def release(self, receiver: OutputReceiver) -> None:
        """Pass all of it on, in the order in which it came."""
        self._file.seek(0)
        for stream, size in self._parts:
            if not await receiver.write(stream, self._file.read(size)):
                return

    def __enter__(self) -> HeldOutput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
