"""A job's input: read once by a worker's parent (:class:`StdinSource`), or kept so that it can be sent to one peer
after another (:class:`ReplayableInput`).

Either takes bytes, or a descriptor that stays its owner's.
"""

from __future__ import annotations

import hashlib
import os
import select
import stat
import threading
from collections.abc import AsyncIterator
from types import TracebackType
from typing import IO, Final

from plasm.errors import UnreadableInput
from plasm.model import Sha256

_PART_BYTES: Final = 64 * 2**10
_SPOOL_BYTES: Final = 16 * 2**20  # what is larger goes into a temporary file


class StdinSource:
    """Input on its way to a worker, hashed as it is read.

    Raises:
        UnreadableInput: the descriptor is closed, or is a folder.
    """

    def __init__(self, source: bytes | int) -> None:
        self._hash = hashlib.sha256()
        self.size = 0
        self.exhausted = False
        self._data = memoryview(source) if isinstance(source, bytes) else None
        self.descriptor = None if isinstance(source, bytes) else source
        self._finite = self.descriptor is None or stat.S_ISREG(_mode(self.descriptor))

    def read(self) -> bytes | None:
        """The next part, of at most 64 KiB; empty at the end.

        May wait for a descriptor; ``None`` where that is set not to wait and has nothing now.

        Raises:
            UnreadableInput: it cannot be read.
        """
        if self._data is not None:
            part = bytes(self._data[:_PART_BYTES])
            self._data = self._data[len(part) :]
        else:
            assert self.descriptor is not None
            try:
                part = _read(self.descriptor, _PART_BYTES)
            except BlockingIOError:
                return None
        self._hash.update(part)
        self.size += len(part)
        self.exhausted = not part
        return part

    def digest(self) -> Sha256:
        """SHA-256 of the input; reads what is left of one that has an end."""
        while self._finite and not self.exhausted:
            self.read()
        return Sha256(self._hash.hexdigest())


class ReplayableInput:
    """Input as a client sends it: it can be sent again to another peer, and any beginning of it digested.

    What has been read is kept, in a temporary file where it is large.

    Raises:
        UnreadableInput: the descriptor is closed, or is a folder.
    """

    def __init__(self, source: bytes | int) -> None:
        import tempfile  # slow to import, and a job on this machine needs none

        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._descriptor = None if isinstance(source, bytes) else source
        self._exhausted = self._descriptor is None
        if self._descriptor is not None:
            _mode(self._descriptor)
        # Bytes that are in memory anyway stay there.
        in_memory = max(_SPOOL_BYTES, len(source) + 1) if isinstance(source, bytes) else _SPOOL_BYTES
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=in_memory)  # noqa: SIM115
        if isinstance(source, bytes):
            self._file.write(source)

    async def chunks(self, size: int) -> AsyncIterator[bytes]:
        """All of it, from the beginning, in parts of at most ``size`` bytes.

        Raises:
            UnreadableInput: it cannot be read.
        """
        import anyio
        import anyio.to_thread

        position = 0
        thread = anyio.CapacityLimiter(1)
        while True:
            part = self._kept(position, size)
            if not part and not self._exhausted:
                # A terminal may keep us waiting for ever: a job that has ended does not wait for it, and nobody else
                # waits for its thread.
                part = await anyio.to_thread.run_sync(self.read, position, size, abandon_on_cancel=True, limiter=thread)
            if not part:
                return
            position += len(part)
            yield part

    def read(self, position: int, size: int) -> bytes:
        """At most ``size`` bytes from ``position``, up to which all has been read; empty at the end.  May wait.

        Raises:
            UnreadableInput: it cannot be read.
        """
        # A job that has ended may have left a thread here, which reads what the next peer is to get as well.
        with self._reading:
            part = self._kept(position, size)
            if part or self._exhausted:
                return part
            assert self._descriptor is not None
            while True:
                try:
                    part = _read(self._descriptor, size)
                    break
                except BlockingIOError:
                    select.select([self._descriptor], [], [])
            with self._lock:
                self._file.seek(0, os.SEEK_END)
                self._file.write(part)
                self._exhausted = not part
            return part

    def digest(self, size: int) -> Sha256 | None:
        """SHA-256 of the first ``size`` bytes; ``None`` where not so many have been read."""
        hashed, position = hashlib.sha256(), 0
        while position < size:
            part = self._kept(position, min(size - position, 2**20))
            if not part:
                return None
            hashed.update(part)
            position += len(part)
        return Sha256(hashed.hexdigest())

    def _kept(self, position: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(position)
            return self._file.read(size)

    def __enter__(self) -> ReplayableInput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _mode(descriptor: int) -> int:
    """The kind and permissions of what ``descriptor`` stands for, which can be read as a stream."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError as error:
        raise _unreadable(error) from None
    if stat.S_ISDIR(mode):
        raise UnreadableInput("stdin is a folder", hint="give a file")
    return mode


def _read(descriptor: int, size: int) -> bytes:
    try:
        return os.read(descriptor, size)
    except BlockingIOError:
        raise
    except OSError as error:
        raise _unreadable(error) from None


def _unreadable(error: OSError) -> UnreadableInput:
    return UnreadableInput(f"stdin cannot be read: {error.strerror}")
