"""A job's input as a client sends it: it can be sent again to another peer, and any beginning of it digested."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import AsyncIterator
from types import TracebackType
from typing import IO, Final

from plasm.errors import UnreadableInput
from plasm.model import Sha256

_SPOOL_BYTES: Final = 16 * 2**20


class ReplayableInput:
    """Bytes, or a descriptor that stays its owner's.  What comes out of a pipe is kept in a temporary file.

    Raises:
        UnreadableInput: the descriptor is closed, or is a folder.
    """

    def __init__(self, source: bytes | int) -> None:
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._file: IO[bytes]
        self._exhausted = isinstance(source, bytes)
        if isinstance(source, bytes):
            self._file = tempfile.SpooledTemporaryFile(max_size=max(_SPOOL_BYTES, len(source) + 1))  # noqa: SIM115
            self._file.write(source)
            return
        try:
            mode = os.fstat(source).st_mode
        except OSError as error:
            raise UnreadableInput(f"stdin cannot be read: {error.strerror}") from None
        if stat.S_ISDIR(mode):
            raise UnreadableInput("stdin is a folder", hint="give a file")
        self._descriptor = source
        self._file = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115

    async def chunks(self, size: int) -> AsyncIterator[bytes]:
        """All of it, from the beginning, in parts of at most ``size`` bytes.

        Raises:
            UnreadableInput: it cannot be read.
        """
        import anyio.to_thread

        position = 0
        while True:
            part = self._kept(position, size)
            if not part and not self._exhausted:
                # A terminal may keep us waiting for ever; a job that has ended does not wait for it.
                part = await anyio.to_thread.run_sync(self.read, position, size, abandon_on_cancel=True)
            if not part:
                return
            position += len(part)
            yield part

    def read(self, position: int, size: int) -> bytes:
        """At most ``size`` bytes from ``position``, up to which all has been read; empty at the end.  May wait.

        Raises:
            UnreadableInput: it cannot be read.
        """
        part = self._kept(position, size)
        if part or self._exhausted:
            return part
        assert self._descriptor is not None
        try:
            part = os.read(self._descriptor, size)
        except OSError as error:
            raise UnreadableInput(f"stdin cannot be read: {error.strerror}") from None
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
