"""Artifacts in a folder, by their digests: on a machine that keeps state, a cache from one boot to the next.

A file that bears a digest was checked before it got that name, and is checked again before it is used.  What is not
complete yet is ``<digest>.part``, and can be continued; it has one writer at a time, in whatever process.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from plasm.errors import UnwritableOutput
from plasm_boot.manifest import Artifact

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PART: Final = ".part"


class ArtifactStore:
    """The artifacts in ``folder``, which is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, artifact: Artifact) -> Path:
        """Where ``artifact`` is or would be."""
        return self._folder / artifact.sha256

    def find(self, artifact: Artifact) -> Path | None:
        """Where ``artifact`` is, checked just now; a damaged one is deleted."""
        path = self.path(artifact)
        try:
            with path.open("rb") as file:
                right = os.fstat(file.fileno()).st_size == artifact.size
                if right and hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256:
                    return path
            path.unlink()
        except OSError:
            pass
        return None

    @contextlib.contextmanager
    def partial(self, artifact: Artifact) -> Iterator[PartialFile]:
        """What is there of ``artifact``, to be continued.

        Waits while somebody else continues it, after which :meth:`find` may have it whole.

        Raises:
            UnwritableOutput: the folder cannot be written, or its disk is full.
        """
        path = self._folder / f"{artifact.sha256}{_PART}"
        with self._writing():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _owned(path) as file:
                try:
                    yield file
                finally:
                    if not file.size:
                        path.unlink(missing_ok=True)

    def keep(self, artifact: Artifact, file: PartialFile) -> Path:
        """Give ``file``, which has turned out to be ``artifact``, its name.

        Raises:
            UnwritableOutput: as for :meth:`partial`.
        """
        assert file.sha256 == artifact.sha256
        path = self.path(artifact)
        with self._writing():
            os.fsync(file.fileno())
            (self._folder / f"{artifact.sha256}{_PART}").replace(path)
        return path

    def forget_all_but(self, digests: Collection[str]) -> None:
        """Make room: delete everything whose SHA-256 is not among ``digests``."""
        for path in self._folder.glob("*"):
            if path.name.removesuffix(_PART) not in digests:
                with contextlib.suppress(OSError):
                    path.unlink()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnwritableOutput(
                f"{self._folder} cannot keep what is fetched: {error.strerror}",
                hint="make room, or give another folder",
            ) from None


class PartialFile(io.FileIO):
    """A file that grows at its end and knows the digest of what is in it; while it is open, nobody else's."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "a+")
        fcntl.flock(self, fcntl.LOCK_EX)
        self.seek(0)
        self._digest = hashlib.file_digest(self, "sha256")

    @property
    def sha256(self) -> str:
        """The SHA-256 of all that is in it, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def size(self) -> int:
        """How many bytes are in it."""
        return os.fstat(self.fileno()).st_size

    def write(self, data: ReadableBuffer, /) -> int:
        """Append ``data``, all of it."""
        view = memoryview(data).cast("B")
        written = 0
        while written < len(view):
            count = super().write(view[written:]) or 0
            self._digest.update(view[written : written + count])
            written += count
        return written

    def is_at(self, path: Path) -> bool:
        """Whether ``path`` is this very file."""
        try:
            return os.path.samestat(os.fstat(self.fileno()), path.stat())
        except FileNotFoundError:
            return False

    def restart(self) -> None:
        """Forget what is in it."""
        self.truncate(0)
        self.seek(0)
        self._digest = hashlib.sha256()


def _owned(path: Path) -> PartialFile:
    while not (file := PartialFile(path)).is_at(path):
        # Whoever had it has completed or forgotten it while it was waited for.
        file.close()
    return file
