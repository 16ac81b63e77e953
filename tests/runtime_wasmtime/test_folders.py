"""A job sees the folders it is given, may change only the writable ones, and never gets out of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import (
    CREATE,
    FIRST_FOLDER,
    RIGHT_TO_READ,
    RIGHT_TO_WRITE,
    SET_TIMES_NOW,
    TRUNCATE,
    Guest,
    Word,
    command,
)

from plasm.errors import UnreadableInput
from plasm.model import Mount, Outcome, Preopen

NO_SUCH_FILE, NOT_PERMITTED, BAD_DESCRIPTOR = 44, 63, 8
READ_AND_WRITE = RIGHT_TO_READ | RIGHT_TO_WRITE
REFUSALS = {2, 58, 63, 69, 76}
"""ACCES, NOTSUP, PERM, ROFS and NOTCAPABLE."""

Change = Callable[[Guest], Guest]
CHANGES: dict[str, Change] = {
    "create a file": lambda guest: guest.open("new", CREATE, READ_AND_WRITE),
    "write to a file": lambda guest: guest.open("file", 0, READ_AND_WRITE).write("changed", Word(0)),
    "empty a file": lambda guest: guest.open("file", TRUNCATE, READ_AND_WRITE),
    "resize a file": lambda guest: guest.open("file", 0, READ_AND_WRITE).call("fd_filestat_set_size", Word(0), 3),
    "date a file": lambda guest: guest.call("path_filestat_set_times", FIRST_FOLDER, 0, "file", 0, 0, SET_TIMES_NOW),
    "date an open file": lambda guest: guest.open("file", 0, READ_AND_WRITE).call(
        "fd_filestat_set_times", Word(0), 0, 0, SET_TIMES_NOW
    ),
    "delete a file": lambda guest: guest.call("path_unlink_file", FIRST_FOLDER, "file"),
    "make a folder": lambda guest: guest.call("path_create_directory", FIRST_FOLDER, "folder"),
    "remove a folder": lambda guest: guest.call("path_remove_directory", FIRST_FOLDER, "empty"),
    "rename a file": lambda guest: guest.call("path_rename", FIRST_FOLDER, "file", FIRST_FOLDER, "moved"),
    "make a symbolic link": lambda guest: guest.call("path_symlink", "file", FIRST_FOLDER, "symlink"),
    "make a hard link": lambda guest: guest.call("path_link", FIRST_FOLDER, 0, "file", FIRST_FOLDER, "hard"),
}


def state(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """All that a change could show in."""
    found = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_nlink, content)
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_a_read_only_folder_is_never_changed(run: Run, folder: Path, read_only: Preopen, change: str) -> None:
    before = state(folder)
    finished = run(CHANGES[change](Guest()).wasm(), folders=[read_only])
    assert finished.outcome.exit_code in REFUSALS
    assert state(folder) == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_writable_folder_can_be_changed(run: Run, folder: Path, writable: Preopen, change: str) -> None:
    before = state(folder)
    finished = run(CHANGES[change](Guest()).wasm(), folders=[writable])
    assert finished.outcome == Outcome.exited(0)
    assert state(folder) != before


@pytest.mark.parametrize("name", ["file", "link", "empty/../file"])
def test_files_of_a_folder_can_be_read(run: Run, read_only: Preopen, name: str) -> None:
    finished = run(
        Guest().call("path_open", FIRST_FOLDER, 1, name, 0, 2, 0, 0, 0).read(Word(0)).wasm(), folders=[read_only]
    )
    assert (finished.outcome, finished.stdout) == (Outcome.exited(0), b"content")


@pytest.mark.parametrize("host", ["missing", "file"])
def test_a_folder_that_cannot_be_given_is_named(run: Run, tmp_path: Path, host: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnreadableInput) as caught:
        run(command(), folders=[Preopen(f"{tmp_path}/{host}", Mount("/data"))])
    assert caught.value.message == f"the folder {tmp_path}/{host} for /data cannot be opened"
