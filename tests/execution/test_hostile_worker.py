"""A worker that a module has taken over stays shut: every attempt fails, on this kernel and with older Landlocks."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from execution import hostile
from execution.conftest import Start, doing, folder
from execution.denied_calls import NEVER
from runtime_wasmtime.guests import (
    CREATE,
    FIRST_FOLDER,
    RIGHT_TO_READ,
    RIGHT_TO_WRITE,
    SET_TIMES_NOW,
    Guest,
    Word,
)

from plasm import Invocation, Job, Manifest, Outcome, Preopen
from plasm.artifacts.cache import ArtifactCache
from plasm.artifacts.modules import Module
from plasm.execution.parent.executor import Executor
from plasm.execution.worker.confinement import landlock, protections, seccomp, system_calls
from plasm.jobs.sinks import CollectingSink
from world import ROOT, plasm_environment

pytestmark = pytest.mark.skipif(
    not {"landlock", "seccomp"}.isdisjoint(protections.missing()), reason="this kernel cannot confine"
)

DENIED = {"EPERM", "EACCES", "ENOSYS"}
DENIED_OTHERWISE = {
    "take_more_memory_than_any_job": {"ENOMEM"},
    "truncate_what_may_be_read": {"EINVAL"},  # not open for writing
}
# What Landlock does not look at and WASI needs: see protections.GAPS.
WITH_WRITABLE_FOLDERS = {"change_the_times_of_a_file", "change_the_times_of_what_may_be_read", "utimensat"}
OLDEST = 1


def calls() -> dict[str, int]:
    machine = seccomp.machine()
    tables = (NEVER, system_calls.ALWAYS, system_calls.WRITING_FILES, system_calls.CHECKED, system_calls.DEPENDENT)
    every = {name: numbers[machine] for table in tables for name, numbers in table.items()}
    return {name: number for name, number in every.items() if number is not None}


class World:
    """What there is beside a job: another process of the same user, and files of the same user."""

    def __init__(self, root: Path, abi: int | None) -> None:
        self.folder, self.site = root / "private", root / "site"
        self.folder.mkdir()
        self.site.mkdir()
        self.file = self.folder / "key"
        self.file.write_text("secret")
        self.file.chmod(0o600)
        os.utime(self.file, (1_000_000_000, 1_000_000_000))
        self.plugin = self.site / "hostile_plugin.py"
        source = Path(hostile.__file__).read_text()
        self.plugin.write_text(source.replace("LANDLOCK_ABI = None", f"LANDLOCK_ABI = {abi}"))
        metadata = self.site / "hostile-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[plasm.runtime]\nhostile = hostile_plugin\n")
        self.victim = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True, env=plasm_environment()
        )
        self.before = self.state()

    def state(self) -> dict[str, Any]:
        """Of what is not the job's, all that can be changed."""
        pid = self.victim.pid
        return {
            "alive": self.victim.poll() is None,
            "limits": [resource.prlimit(pid, limit) for limit in range(16)],
            "priority": os.getpriority(os.PRIO_PROCESS, pid),
            "processors": os.sched_getaffinity(pid),
            "scheduler": os.sched_getscheduler(pid),
            "files": {path: self.facts(path) for path in sorted(self.folder.rglob("*"))},
            "plugin": self.facts(self.plugin),
        }

    @staticmethod
    def facts(path: Path) -> tuple[object, ...]:
        facts = path.stat()
        return facts.st_mode, facts.st_uid, facts.st_size, facts.st_mtime_ns, os.listxattr(path)

    def run(self, folders: tuple[Preopen, ...]) -> dict[str, str]:
        """What came of each attempt of a hostile worker that was given ``folders``."""
        plan = {
            "victim": self.victim.pid,
            "file": str(self.file),
            "folder": str(self.folder),
            "calls": calls(),
        }
        module = Module.of(b"\0asm\1\0\0\0")
        invocation = Invocation([json.dumps(plan)], mounts=[given.mount for given in folders])
        sink = CollectingSink()
        with Executor("hostile", ArtifactCache(self.site / "artifacts")) as executor:
            report = executor.run(Job(Manifest(module.digest, invocation), module, folders), sink)
        assert report.outcome == Outcome.exited(0)
        found: dict[str, str] = json.loads(sink.content("stdout"))
        return found

    def end(self) -> None:
        self.victim.kill()
        self.victim.communicate()


class Attempts:
    """The attempts of two workers with one version of Landlock, one of which may write into a folder."""

    def __init__(self, root: Path, abi: int | None) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PLASM_HOME", str(root / "home"))
            self.world = World(root, abi)
            patch.syspath_prepend(str(self.world.site))
            given = root / "given"
            given.mkdir()
            try:
                self.shut = self.world.run(())
                self.after = self.world.state()
                self.writing = self.world.run((folder(given),))
            finally:
                self.world.end()


@pytest.fixture(
    scope="module", params=[*range(OLDEST, max(landlock.abi(), OLDEST)), None], ids=lambda abi: f"abi-{abi}"
)
def attempts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Attempts:
    return Attempts(tmp_path_factory.mktemp("hostile"), request.param)


def not_denied(report: dict[str, str]) -> dict[str, str]:
    assert set(report) == {*hostile.ATTEMPTS, "in_a_thread"}
    return {name: what for name, what in report.items() if what not in DENIED_OTHERWISE.get(name, DENIED)}


def test_every_attempt_is_denied(attempts: Attempts) -> None:
    assert not_denied(attempts.shut) == {}


def test_a_writable_folder_lets_through_nothing_but_what_is_known(attempts: Attempts) -> None:
    assert not_denied(attempts.writing) == dict.fromkeys(WITH_WRITABLE_FOLDERS, "done")


def test_other_processes_and_files_are_as_they_were(attempts: Attempts) -> None:
    assert attempts.after == attempts.world.before


OLD_KERNEL = """
from plasm.execution.worker.confinement import landlock
from plasm.hookspecs import hookimpl
from plasm_runtime_wasmtime.runtime import WasmtimeRuntime

PLASM_HOOK_API = 1
landlock.abi = lambda: {abi}

@hookimpl
def plasm_runtime(config):
    return WasmtimeRuntime()
"""


@pytest.mark.parametrize("abi", range(OLDEST, landlock.abi() + 1))
def test_a_job_works_in_its_folder_with_every_landlock(
    abi: int, start: Start, plugin: Callable[..., None], tmp_path: Path
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    guest = Guest()
    guest.open("file", CREATE, RIGHT_TO_READ | RIGHT_TO_WRITE)
    guest.write("content and more", Word(0))
    guest.call("fd_filestat_set_size", Word(0), len("content"))
    guest.call("fd_filestat_set_times", Word(0), 0, 0, SET_TIMES_NOW)
    for following in (0, 1):
        guest.call("path_filestat_set_times", FIRST_FOLDER, following, "file", 0, 0, SET_TIMES_NOW)
    guest.call("path_link", FIRST_FOLDER, 0, "file", FIRST_FOLDER, "linked")
    guest.call("path_symlink", "file", FIRST_FOLDER, "pointing")
    guest.call("path_rename", FIRST_FOLDER, "file", FIRST_FOLDER, "renamed")
    guest.call("path_unlink_file", FIRST_FOLDER, "linked")
    for name in ("kept", "removed"):
        guest.call("path_create_directory", FIRST_FOLDER, name)
    guest.call("path_remove_directory", FIRST_FOLDER, "removed")
    plugin("plasm.runtime", "old", OLD_KERNEL.format(abi=abi))
    module = Module.of(guest.wasm())
    folders = (folder(given),)
    with start("old") as executor:
        job = Job(Manifest(module.digest, Invocation(mounts=[folders[0].mount])), module, folders)
        assert executor.run(job, CollectingSink()).outcome == Outcome.exited(0)
    assert (given / "renamed").read_text() == "content"
    assert sorted(path.name for path in given.iterdir()) == ["kept", "pointing", "renamed"]


SCRIPT = """
import sys
import plasm

try:
    result = plasm.run(sys.argv[1], runtime="lax")
    print(result.stdout.decode())
except plasm.PlasmError as error:
    print(error)
"""


def test_the_folder_of_the_script_that_runs_a_job_is_not_readable(
    plugin: Callable[..., None], hello: Path, tmp_path: Path
) -> None:
    reading = """
def attempt(path):
    try:
        return open(path).read().strip()
    except OSError as error:
        return type(error).__name__
os.write(call.stdout, " ".join([attempt({beside!r}), attempt({script!r}), attempt(os.__file__)[:1]]).encode())
"""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    script, beside = scripts / "script.py", scripts / "passwords.txt"
    script.write_text(SCRIPT)
    beside.write_text("secret")
    plugin("plasm.runtime", "lax", doing(reading.format(beside=str(beside), script=str(script))))
    found = subprocess.run(
        [sys.executable, script, hello],
        env=plasm_environment(PYTHONPATH=str(tmp_path / "third-party")),
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == f"PermissionError PermissionError {Path(os.__file__).read_text()[0]}"


def test_the_documentation_says_what_each_kernel_lacks_and_what_is_left() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    rows = [f"| {each.name} | {each.since} | {each.keeps} | {each.without} |" for each in protections.PROTECTIONS]
    assert "\n".join(rows) in page
    assert "\n".join(f"- {gap}" for gap in protections.GAPS) in page
