"""A job sees the folders it is given, may change only the writable ones, and never gets out of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from plasm.errors import UnreadableInput
from plasm.model import Mount, Outcome, Preopen
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import (
    CREATE,
    FIRST_FOLDER,
    RIGHT_TO_READ,
    RIGHT_TO_WRITE,
    SECOND_FOLDER,
    SET_TIMES_NOW,
    TRUNCATE,
    Guest,
    Word,
    command,
)

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


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "empty/../../secret",
        "out",
        "up/secret",
        "/etc/passwd",
        "/proc/self/environ",
    ],
)
@pytest.mark.parametrize("read_only", [True, False], ids=["read-only", "writable"])
def test_nothing_outside_of_a_folder_is_reached(run: Run, folder: Path, path: str, read_only: bool) -> None:
    (folder / "out").symlink_to(folder.parent / "secret")
    (folder / "up").symlink_to("..")
    finished = run(
        Guest().call("path_open", FIRST_FOLDER, 1, path, 0, 2, 0, 0, 0).read(Word(0)).wasm(),
        folders=[Preopen(str(folder), Mount("/data", read_only))],
    )
    assert (finished.outcome, finished.stdout) == (Outcome.exited(NOT_PERMITTED), b"")


def test_a_link_that_the_job_makes_leads_nowhere_new(run: Run, folder: Path, writable: Preopen) -> None:
    guest = Guest().call("path_symlink", "../secret", FIRST_FOLDER, "trick")
    guest.call("path_open", FIRST_FOLDER, 1, "trick", 0, 2, 0, 0, 0).read(Word(0))
    finished = run(guest.wasm(), folders=[writable])
    assert (finished.outcome, finished.stdout) == (Outcome.exited(NOT_PERMITTED), b"")


@pytest.mark.parametrize("move", ["path_rename", "path_link"])
def test_a_file_does_not_leave_a_read_only_folder_for_a_writable_one(
    run: Run, folder: Path, read_only: Preopen, tmp_path: Path, move: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    flags = (0,) if move == "path_link" else ()
    guest = Guest().call(move, FIRST_FOLDER, *flags, "file", SECOND_FOLDER, "file")
    finished = run(guest.wasm(), folders=[read_only, Preopen(str(other), Mount("/out"))])
    assert finished.outcome.exit_code in REFUSALS
    assert (sorted(os.listdir(other)), (folder / "file").read_text()) == ([], "content")


def test_a_job_without_folders_can_open_nothing(run: Run) -> None:
    assert run(Guest().open("file").wasm()).outcome == Outcome.exited(BAD_DESCRIPTOR)


def test_folders_are_opened_in_the_order_given(run: Run, folder: Path, read_only: Preopen, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "only here").write_text("found")
    module = Guest().open("only here", folder=SECOND_FOLDER).read(Word(0)).wasm()
    mounted = [read_only, Preopen(str(second), Mount("/second", read_only=True))]
    assert run(module, folders=mounted).stdout == b"found"
    assert run(module, folders=mounted[::-1]).outcome == Outcome.exited(NO_SUCH_FILE)


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("missing", "does not exist"),
        ("file", "is not a folder"),
        ("shared\0hidden", "cannot be opened"),
        ("\udcff", "cannot be opened"),
    ],
)
def test_a_folder_that_cannot_be_given_is_named(run: Run, tmp_path: Path, host: str, why: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "shared").mkdir()
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    path = f"{tmp_path}/{host}"
    with pytest.raises(UnreadableInput) as caught:
        run(command(), folders=[Preopen(path, Mount("/data"))])
    assert caught.value.message == f"the folder {path!r} for /data {why}"
