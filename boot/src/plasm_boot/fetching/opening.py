"""A source by the name that people type: the URL of a provider, or a folder."""

from __future__ import annotations

from pathlib import Path

from plasm.errors import UnreadableInput
from plasm_boot.fetching.folder import FolderSource
from plasm_boot.fetching.http import HttpSource
from plasm_boot.sources import RepositorySource


def open_source(text: str) -> RepositorySource:
    """The source called ``text``.

    Raises:
        InvalidInput: the address is none.
        UnreadableInput: there is no such folder.
    """
    if "://" in text:
        return HttpSource(text)
    if not Path(text).is_dir():
        raise UnreadableInput(f"there is no folder {text}", hint="give a repository's folder, or a provider's URL")
    return FolderSource(Path(text))
