"""A job's input, read as the worker takes it and hashed on the way."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Final

from plasm.errors import UnreadableInput
from plasm.model import Sha256

PART_BYTES: Final = 64 * 2**10


class StdinSource:
    """Bytes, or a descriptor that stays its owner's, on their way to a worker.

    Raises:
        UnreadableInput: the descriptor is closed, or is a folder.
    """

    def __init__(self, source: bytes | int) -> None:
        self._hash = hashlib.sha256()
        self.size = 0
        self.exhausted = False
        self._data: memoryview | None = None
        self.descriptor: int | None = None
        self._finite = True
        if isinstance(source, bytes):
            self._data = memoryview(source)
            return
        try:
            mode = os.fstat(source).st_mode
        except OSError as error:
            raise UnreadableInput(f"stdin cannot be read: {error.strerror}") from None
        if stat.S_ISDIR(mode):
            raise UnreadableInput("stdin is a folder", hint="give a file")
        self.descriptor = source
        self._finite = stat.S_ISREG(mode)

    def read(self) -> bytes | None:
        """The next part, of at most ``PART_BYTES``; empty at the end.

        May wait for a descriptor; ``None`` where that is set not to wait and has nothing now.
        """
        if self._data is not None:
            part = bytes(self._data[:PART_BYTES])
            self._data = self._data[len(part) :]
        else:
            assert self.descriptor is not None
            try:
                part = os.read(self.descriptor, PART_BYTES)
            except BlockingIOError:
                return None
            except OSError as error:
                raise UnreadableInput(f"stdin cannot be read: {error.strerror}") from None
        self._hash.update(part)
        self.size += len(part)
        self.exhausted = not part
        return part

    def digest(self) -> Sha256:
        """SHA-256 of the input; reads what is left of one that has an end."""
        while self._finite and not self.exhausted:
            self.read()
        return Sha256(self._hash.hexdigest())
