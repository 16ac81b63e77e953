"""What a system can be fetched from: a provider on the network, or a folder on a medium."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Protocol


class RepositorySource(Protocol):
    """A repository's files.  Calls block; nothing that comes from here is to be believed.

    ``name`` is what people are told: a URL, or a folder.  Paths are relative to the repository and use ``/``.
    """

    name: str

    def read(self, path: str, limit: int) -> bytes | None:
        """The file, whole; ``None`` where there is none of that name.

        Raises:
            SourceFailed: the source is silent, slow or incomplete, or the file is longer than ``limit`` bytes.
        """
        ...

    def download(
        self, path: str, size: int, into: BinaryIO, *, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """Append to ``into`` what is missing of the file's ``size`` bytes; ``progress`` hears how many there are now.

        Raises:
            SourceFailed: as for :meth:`read`, and where the file has not ``size`` bytes; ``into`` keeps what came.

        What ``into`` and ``progress`` raise comes out as it is, and ends the download.
        """
        ...
