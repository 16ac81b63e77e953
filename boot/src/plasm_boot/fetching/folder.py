"""A repository in a folder: on a medium, or beside its publisher."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from plasm_boot.errors import SourceFailed

_CHUNK: Final = 1024 * 1024


class FolderSource:
    """The repository in the folder ``path``.  Links that lead out of it are not followed, and only files are read."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._folder = path

    def read(self, path: str, limit: int) -> bytes | None:
        """As :meth:`RepositorySource.read <plasm_boot.sources.RepositorySource.read>`."""
        with self._open(path) as file:
            if file is None:
                return None
            data = self._take(path, file, limit + 1)
        if len(data) > limit:
            raise SourceFailed(f"{path} from {self.name} is longer than {limit} bytes", hint="try another medium")
        return data

    def download(
        self, path: str, size: int, into: BinaryIO, *, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """As :meth:`RepositorySource.download <plasm_boot.sources.RepositorySource.download>`."""
        done = into.seek(0, os.SEEK_END)
        with self._open(path) as file:
            if file is None:
                raise SourceFailed(f"{self.name} has no {path}", hint="try another medium")
            if (found := os.fstat(file.fileno()).st_size) != size:
                raise SourceFailed(f"{path} from {self.name} has {found} bytes, not {size}", hint="try another medium")
            file.seek(done)
            while done < size and (chunk := self._take(path, file, min(_CHUNK, size - done))):
                into.write(chunk)
                done += len(chunk)
                progress(done)
        if done != size:
            raise SourceFailed(f"{path} from {self.name} ended after {done} of {size} bytes", hint="try another medium")

    @contextmanager
    def _open(self, path: str) -> Iterator[BinaryIO | None]:
        try:
            folder = self._folder.resolve(strict=True)
            real = (folder / path).resolve(strict=True)
            inside = real.is_relative_to(folder) and stat.S_ISREG(real.stat().st_mode)
            # Should it have become a pipe since, nobody is waited for at its other end.
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW) if inside else None
        except (FileNotFoundError, NotADirectoryError, ValueError):
            descriptor = None
        except (OSError, RuntimeError) as error:
            raise self._failed(path, error) from None
        if descriptor is None:
            yield None
        else:
            with open(descriptor, "rb") as file:
                yield file

    def _take(self, path: str, file: BinaryIO, count: int) -> bytes:
        try:
            return file.read(count)
        except OSError as error:
            raise self._failed(path, error) from None

    def _failed(self, path: str, error: Exception) -> SourceFailed:
        return SourceFailed(f"{path} from {self.name} cannot be read: {error}", hint="try another medium")
