"""A job sees the folders that it was given, under the names that it was given, and changes only the writable ones."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from plasm.errors import UnreadableInput
from plasm.model import Feature, Mount, Outcome, OutcomeKind, Preopen
from plasm.testing._workbench import Workbench, needs, refusal

_CHANGES: Final = {
    "create a file": ("create", "/data/new"),
    "write to a file": ("overwrite", "/data/file"),
    "append to a file": ("append", "/data/file"),
    "empty a file": ("empty", "/data/file"),
    "resize a file": ("resize", "/data/file"),
    "delete a file": ("unlink", "/data/file"),
    "rename a file": ("rename", "/data/file", "/data/moved"),
    "make a folder": ("mkdir", "/data/made"),
    "remove a folder": ("rmdir", "/data/hollow"),
}
# Not every runtime can do these where it may; none does them where it may not.
_RARE_CHANGES: Final = {
    "date a file": ("date", "/data/file"),
    "make a symbolic link": ("symlink", "file", "/data/symlink"),
    "make a hard link": ("link", "/data/file", "/data/hard"),
}


class Folders(Workbench):
    """Reading and changing folders of the host."""

    @needs(Feature.FOLDERS)
    def test_files_of_a_folder_can_be_read(self) -> None:
        """Files of a folder can be read, in folders below it and through symbolic links within it too."""
        folders = [self._shared_folder(read_only=True)]
        for path in ("/data/file", "/data/below/deep", "/data/below/../file", "/data/link", "/data/below/up"):
            finished = self.run("read", path, folders=folders)
            assert finished.outcome == Outcome.exited(0), f"{path}: {finished}"
            assert finished.stdout == b"content", f"{path}: {finished}"

    @needs(Feature.FOLDERS)
    def test_a_folder_can_be_listed(self) -> None:
        """A folder of three hundred files can be listed, whatever their names."""
        host = self.folder / "many"
        host.mkdir()
        names = {
            "ünïcødé ⚛",
            "two words",
            ".dot",
            *(f"file-{number:03}" + "x" * (number % 100) for number in range(300)),
        }
        for name in names:
            (host / name).touch()
        finished = self.run("list", "/data", folders=[Preopen(str(host), Mount("/data", read_only=True))])
        assert finished.outcome == Outcome.exited(0), finished
        assert sorted(finished.texts) == sorted(names), finished

    @needs(Feature.FOLDERS)
    def test_files_and_folders_can_be_told_apart(self) -> None:
        """Files and folders can be told apart, and files tell their sizes."""
        folders = [self._shared_folder(read_only=True)]
        assert self.run("stat", "/data/file", folders=folders).texts == ["file", "7"]
        assert self.run("stat", "/data/below", folders=folders).texts[0] == "folder"
        missing = self.run("stat", "/data/missing", folders=folders)
        assert missing.outcome.exit_code not in {0, None}, missing

    @needs(Feature.FOLDERS)
    def test_folders_have_the_names_that_they_were_given(self) -> None:
        """Several folders have the names that they were given and are not mixed up."""
        folders = []
        for name in ("first", "second"):
            (self.folder / name).mkdir()
            (self.folder / name / "file").write_text(f"the {name}")
            folders.append(Preopen(str(self.folder / name), Mount(f"/{name}", read_only=True)))
        assert sorted(self.run("folders", folders=folders).texts) == ["/first", "/second"]
        for name in ("first", "second"):
            finished = self.run("read", f"/{name}/file", folders=folders)
            assert finished.stdout.decode() == f"the {name}", finished

    @needs(Feature.FOLDERS, Feature.WRITABLE_FOLDERS)
    def test_a_writable_folder_can_be_changed(self) -> None:
        """A writable folder can be changed, and the host sees the changes."""
        shared = self._shared_folder()
        host = Path(shared.host)
        for what, command in _CHANGES.items():
            _furnish(host)
            before = _state(host)
            finished = self.run(*command, folders=[shared])
            assert finished.outcome == Outcome.exited(0), f"{what}: {finished}"
            assert _state(host) != before, f"nothing changed: {what}"
        _furnish(host)
        self.run("append", "/data/file", folders=[shared])
        assert (host / "file").read_text() == "contentappended"

    @needs(Feature.FOLDERS)
    def test_a_read_only_folder_is_never_changed(self) -> None:
        """A read-only folder is never changed: each of twelve kinds of change is refused."""
        self._is_never_changed([self._shared_folder(read_only=True)])

    @needs(Feature.FOLDERS, Feature.WRITABLE_FOLDERS)
    def test_a_folder_that_is_writable_elsewhere_can_be_read_only(self) -> None:
        """A folder is read-only under one name though it is writable under another."""
        shared = self._shared_folder(read_only=True)
        # The kernel, which may confine the worker, cannot tell the two names apart: the runtime has to.
        folders = [shared, Preopen(shared.host, Mount("/writable"))]
        self._is_never_changed(folders)
        assert self.run("create", "/writable/new", folders=folders).outcome == Outcome.exited(0)

    @needs(Feature.FOLDERS, Feature.WRITABLE_FOLDERS)
    def test_nothing_is_moved_out_of_a_read_only_folder(self) -> None:
        """Nothing is moved or linked out of a read-only folder into a writable one."""
        shared = self._shared_folder(read_only=True)
        folders = [shared, Preopen(str(self.folder), Mount("/other"))]
        before = _state(Path(shared.host))
        for command in ("rename", "link"):
            finished = self.run(command, "/data/file", "/other/file", folders=folders)
            assert finished.outcome.exit_code not in {0, None}, f"{command}: {finished}"
        assert _state(Path(shared.host)) == before

    @needs(Feature.FOLDERS)
    def test_a_missing_folder_is_told(self) -> None:
        """A folder that is not there, or is a file, is told by name before the job starts."""
        (self.folder / "plain").touch()
        for name in ("missing", "plain"):
            host = str(self.folder / name)
            given = Preopen(host, Mount("/data", read_only=True))
            error = refusal(UnreadableInput, partial(self.run, "args", folders=[given]))
            assert host in error.message, error

    def _is_never_changed(self, folders: Sequence[Preopen]) -> None:
        host = Path(folders[0].host)
        before = _state(host)
        for what, command in (_CHANGES | _RARE_CHANGES).items():
            finished = self.run(*command, folders=folders)
            assert finished.kind is OutcomeKind.EXITED, f"{what}: {finished}"
            assert _state(host) == before, f"it could {what}"
            assert finished.outcome.exit_code != 0, f"it was told that it could {what}"

    def _shared_folder(self, *, read_only: bool = False) -> Preopen:
        """A folder with something of everything in it, as ``/data``."""
        host = self.folder / "shared"
        host.mkdir()
        _furnish(host)
        return Preopen(str(host), Mount("/data", read_only=read_only))


def _furnish(host: Path) -> None:
    """Put into ``host`` what belongs there, and nothing else; the folder itself stays, and the worker that has it."""
    for path in host.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    (host / "below").mkdir()
    (host / "hollow").mkdir()
    (host / "file").write_text("content")
    (host / "below" / "deep").write_text("content")
    (host / "below" / "up").symlink_to("../file")
    (host / "link").symlink_to("file")


def _state(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that a change could show in."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_nlink, status.st_size, content)
    return found
