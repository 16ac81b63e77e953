"""Nothing outside of its folders can be reached by a job.

The worker may be confined by the kernel as well, which would hide a runtime's mistakes.  So what lies outside of a
job's folder here is something that the kernel lets through: it is in another folder of the same job, or is a file that
every worker can read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from plasm.model import Feature, Mount, OutcomeKind, Preopen
from plasm.testing._workbench import Finished, Workbench, needs

_HIDDEN: Final = "what no job may see"
_READABLE: Final = os.__file__


class Escapes(Workbench):
    """Ways out of a folder, each of which must lead nowhere."""

    def test_a_job_without_folders_sees_none(self) -> None:
        """A job without folders sees none, and no file of the host's."""
        finished = self.run("folders")
        assert finished.kind is OutcomeKind.EXITED, finished
        assert finished.texts == [], finished
        for path in (_READABLE, "/etc/passwd", "/proc/self/environ", ".", "/"):
            for command in ("read", "list", "stat"):
                _leads_nowhere(self.run(command, path), f"{command} {path}")
        _leads_nowhere(self.run("create", str(self.folder / "created")), "create")
        assert not (self.folder / "created").exists()

    @needs(Feature.FOLDERS)
    def test_dots_do_not_lead_out_of_a_folder(self) -> None:
        """``..`` does not lead out of a folder."""
        folders = self._beside_a_secret(read_only=True)
        for path in ("../secret", "below/../../secret", "./../secret", "below/../../given/../secret", ".."):
            _leads_nowhere(self.run("read-raw", path, folders=folders), path)
            _leads_nowhere(self.run("read", f"/data/{path}", folders=folders), f"/data/{path}")

    @needs(Feature.FOLDERS)
    def test_an_absolute_path_does_not_lead_out_of_a_folder(self) -> None:
        """An absolute path does not lead out of a folder."""
        folders = self._beside_a_secret(read_only=True)
        for path in (str(self.folder / "secret"), _READABLE, f"//{self.folder}/secret", "/etc/passwd"):
            _leads_nowhere(self.run("read-raw", path, folders=folders), path)
            _leads_nowhere(self.run("read", path, folders=folders), path)

    @needs(Feature.FOLDERS)
    def test_a_symbolic_link_of_the_hosts_does_not_lead_out_of_a_folder(self) -> None:
        """A symbolic link that the host made does not lead out of a folder: absolute, relative, to a folder."""
        folders = self._beside_a_secret(read_only=True)
        host = self.folder / "given"
        (host / "relative").symlink_to("../secret")
        (host / "absolute").symlink_to(self.folder / "secret")
        (host / "below" / "twice").symlink_to("../relative")
        (host / "outside").symlink_to(self.folder)
        (host / "library").symlink_to(_READABLE)
        for path in ("relative", "absolute", "below/twice", "outside/secret", "below/../outside/secret", "library"):
            _leads_nowhere(self.run("read-raw", path, folders=folders), path)
            _leads_nowhere(self.run("read", f"/data/{path}", folders=folders), f"/data/{path}")
        _leads_nowhere(self.run("list", "/data/outside", folders=folders), "list")

    @needs(Feature.FOLDERS, Feature.WRITABLE_FOLDERS)
    def test_a_symbolic_link_of_the_jobs_does_not_lead_out_of_a_folder(self) -> None:
        """A symbolic link that a job made itself does not lead out of a folder."""
        folders = self._beside_a_secret()
        for number, target in enumerate(("../secret", str(self.folder / "secret"), "..", str(self.folder), "/")):
            # Whether it may make the link is the runtime's to say; following it is what must not be.
            self.run("symlink", target, f"/data/made-{number}", folders=folders)
            for path in (f"made-{number}", f"made-{number}/secret", f"made-{number}{self.folder}/secret"):
                _leads_nowhere(self.run("read", f"/data/{path}", folders=folders), f"{path}, which is {target}")

    @needs(Feature.FOLDERS, Feature.WRITABLE_FOLDERS)
    def test_nothing_outside_of_a_writable_folder_is_changed(self) -> None:
        """Nothing outside of a writable folder is changed, through dots, links or dangling links."""
        folders = self._beside_a_secret()
        host = self.folder / "given"
        (host / "link").symlink_to("../secret")
        (host / "dangling").symlink_to("../created")
        (host / "outside").symlink_to(self.folder)
        before = sorted(self.folder.iterdir())
        for command in (
            ("overwrite", "/data/link"),
            ("empty", "/data/../secret"),
            ("append", "/data/outside/secret"),
            ("create", "/data/dangling"),
            ("create", "/data/../created"),
            ("mkdir", "/data/outside/created"),
            ("unlink", "/data/../secret"),
            ("unlink", "/data/outside/secret"),
            ("rename", "/data/../secret", "/data/taken"),
            ("rename", "/data/file", "/data/../created"),
            ("link", "/data/../secret", "/data/taken"),
        ):
            _leads_nowhere(self.run(*command, folders=folders), " ".join(command))
        assert sorted(self.folder.iterdir()) == before
        assert (self.folder / "secret").read_text() == _HIDDEN

    def _beside_a_secret(self, *, read_only: bool = False) -> Sequence[Preopen]:
        """``/data``, beside which lies a secret, and ``/wider``, in which that is no secret."""
        (self.folder / "secret").write_text(_HIDDEN)
        host = self.folder / "given"
        (host / "below").mkdir(parents=True)
        (host / "file").write_text("content")
        return (
            Preopen(str(host), Mount("/data", read_only=read_only)),
            Preopen(str(self.folder), Mount("/wider", read_only=read_only)),
        )


def _leads_nowhere(finished: Finished, attempt: str) -> None:
    assert _HIDDEN.encode() not in finished.stdout, f"the secret was read: {attempt}"
    assert finished.outcome.exit_code not in {0, None}, f"{attempt}: {finished}"
