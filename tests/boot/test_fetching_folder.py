"""A repository in a folder: its files are read, and nothing that is not a file below it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from plasm.errors import InvalidInput, UnreadableInput
from plasm_boot.errors import SourceFailed
from plasm_boot.fetching.folder import FolderSource
from plasm_boot.fetching.http import HttpSource
from plasm_boot.fetching.opening import open_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "repository"
    (made / "sub").mkdir(parents=True)
    (made / "sub" / "file").write_bytes(b"content")
    (tmp_path / "secret").write_bytes(b"secret")
    return made


def test_a_file_is_read(folder: Path) -> None:
    assert FolderSource(folder).read("sub/file", 7) == b"content"
    assert FolderSource(folder).read("sub/other", 7) is None


def test_a_longer_file_is_refused(folder: Path) -> None:
    with pytest.raises(SourceFailed, match=f"sub/file from {folder} is longer than 6 bytes"):
        FolderSource(folder).read("sub/file", 6)


def test_a_download_is_continued(folder: Path) -> None:
    into, seen = io.BytesIO(b"con"), [0]
    FolderSource(folder).download("sub/file", 7, into, progress=seen.append)
    assert into.getvalue() == b"content"
    assert seen == [0, 7]


@pytest.mark.parametrize("size", [6, 8])
def test_a_file_of_another_size_is_refused(folder: Path, size: int) -> None:
    with pytest.raises(SourceFailed, match=f"has 7 bytes, not {size}"):
        FolderSource(folder).download("sub/file", size, io.BytesIO())


@pytest.mark.parametrize(
    "path", ["../secret", "link", "sub/../../secret", "/etc/hostname", "sub", "", "pipe", "a\0b", "loop"]
)
def test_nothing_else_is_there(folder: Path, path: str) -> None:
    (folder / "link").symlink_to("../secret")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    try:
        assert FolderSource(folder).read(path, 100) is None
    except SourceFailed as error:
        assert path in error.message  # noqa: PT017  either way of saying no will do
    with pytest.raises(SourceFailed):
        FolderSource(folder).download(path, 6, io.BytesIO())


def test_a_link_that_stays_inside_is_followed(folder: Path) -> None:
    (folder / "link").symlink_to("sub/file")
    assert FolderSource(folder).read("link", 100) == b"content"


def test_a_source_is_named_as_people_type_it(folder: Path) -> None:
    assert isinstance(open_source(str(folder)), FolderSource)
    assert isinstance(open_source("http://192.0.2.7:8380"), HttpSource)
    with pytest.raises(UnreadableInput):
        open_source(str(folder / "nothing"))
    with pytest.raises(InvalidInput):
        open_source("gopher://192.0.2.7/")
