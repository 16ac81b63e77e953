"""A module that breaks out of its runtime finds itself in a process that can do next to nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from execution.conftest import LAX_RUNTIME, MakeJob, Start, doing, folder

from plasm import Outcome
from plasm.execution.worker.confinement import protections
from plasm.jobs.sinks import CollectingSink

Install = Callable[..., None]

landlock = pytest.mark.skipif("landlock" in protections.missing(), reason="this kernel has no Landlock")
seccomp = pytest.mark.skipif("seccomp" in protections.missing(), reason="this kernel has no seccomp")

TRY = """
import errno, json, socket, threading
def attempt(what):
    try:
        what()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
"""


@pytest.fixture
def attempt(start: Start, plugin: Install, job: MakeJob, hello: Path) -> Callable[..., str]:
    """What comes of Python expressions that a job's process evaluates."""

    def attempt(*expressions: str, **settings: object) -> str:
        attempts = [f"attempt(lambda: {expression})" for expression in expressions]
        report = f"os.write(call.stdout, ' '.join([{', '.join(attempts)}]).encode())"
        plugin("plasm.runtime", "lax", doing(TRY + report))
        sink = CollectingSink()
        with start("lax") as executor:
            assert executor.run(job(hello, "x", **settings), sink).outcome == Outcome.exited(9)
        return sink.content("stdout").decode()

    return attempt


@landlock
@pytest.mark.parametrize(
    "expression",
    [
        "open('/etc/passwd')",
        "open('/proc/1/environ')",
        "open(f'/proc/{os.getppid()}/mem', 'r+b')",
        "os.listdir('/')",
        "os.listdir('/home')",
        "open('/tmp/new', 'w')",
        "os.mkdir('/tmp/new')",
        "os.unlink('/etc/hostname')",
        "open(json.__file__, 'a')",
    ],
)
def test_no_file_can_be_reached(attempt: Callable[..., str], expression: str) -> None:
    assert attempt(expression) in {"EACCES", "EPERM"}


@seccomp
@pytest.mark.parametrize(
    "expression",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(os.getppid(), 0)",
        "os.kill(os.getpid(), 0)",
        "os.pidfd_open(os.getppid())",
        "os.chroot('/')",
        "os.mknod('/tmp/device', 0o600 | 0o020000)",
    ],
)
def test_no_network_no_program_no_other_process(attempt: Callable[..., str], expression: str) -> None:
    assert attempt(expression) in {"EACCES", "EPERM"}


def test_threads_can_be_started(attempt: Callable[..., str]) -> None:
    assert attempt("[thread.join() for thread in [threading.Thread(target=int)] if not thread.start()]") == "done"


@landlock
def test_the_folders_of_the_job_can_be_reached_as_they_were_given(attempt: Callable[..., str], tmp_path: Path) -> None:
    given, shown = tmp_path / "given", tmp_path / "shown"
    for path in (given, shown):
        path.mkdir()
        (path / "file").write_text("content")
    folders = (folder(given), folder(shown, "/shown", read_only=True))
    allowed = (f"open('{given}/new', 'w')", f"os.rename('{given}/file', '{given}/moved')", f"open('{shown}/file')")
    denied = (f"open('{shown}/new', 'w')", f"os.truncate('{shown}/file', 0)", f"os.unlink('{shown}/file')")
    assert attempt(*allowed, *denied, folders=folders) == "done done done EACCES EACCES EACCES"


def test_privileges_descriptors_and_environment_are_gone(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    look = """
import json, os, resource
facts = {
    "environment": sorted(os.environ),
    "standard": sorted(os.readlink(f"/proc/self/fd/{fd}").split(":")[0] for fd in range(3)),
    "files": [path for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")
              and (path := os.readlink(f"/proc/self/fd/{fd}")).startswith("/") and path != "/dev/null"],
    "leader": os.getsid(0) == os.getpid(),
}
status = open("/proc/self/status")
"""
    report = """
facts["core"] = resource.getrlimit(resource.RLIMIT_CORE)
facts["open files"] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
lines = dict(line.split(":", 1) for line in status.read().splitlines())
facts.update({name: lines[name].strip() for name in ("NoNewPrivs", "CapEff", "CapPrm")})
os.write(call.stdout, json.dumps(facts).encode())
"""
    plugin("plasm.runtime", "lax", look + doing(report))
    inherited = os.open(hello, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    sink = CollectingSink()
    with start("lax") as executor:
        executor.run(job(hello, "x"), sink)
    os.close(inherited)
    facts = json.loads(sink.content("stdout"))
    # CPython itself sets LC_CTYPE where it finds no locale (PEP 538).
    assert set(facts["environment"]) <= {"LC_CTYPE"}
    assert facts["standard"] == ["/dev/null"] * 3
    assert all(path.startswith("/proc/") for path in facts["files"]), facts["files"]
    assert facts["leader"]
    assert facts["core"] == [0, 0]
    assert facts["open files"] <= 1024
    assert facts["NoNewPrivs"] == "1"
    assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == 0


def test_a_job_with_other_folders_gets_another_worker(
    start: Start, plugin: Install, job: MakeJob, hello: Path, tmp_path: Path
) -> None:
    plugin("plasm.runtime", "lax", LAX_RUNTIME)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = (job(hello, folders=(folder(tmp_path / name),)) for name in ("one", "two"))
    seen = []
    with start("lax") as executor:
        for each in (one, one, two, two, job(hello)):
            executor.run(each, CollectingSink())
            seen.append(executor.worker_pids)
    assert seen[0] == seen[1] != seen[2] == seen[3] != seen[4]
    assert all(len(pids) == 1 for pids in seen)


def test_what_a_kernel_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from plasm.execution.worker.confinement import landlock, seccomp

    monkeypatch.setattr(landlock, "abi", lambda: 0)
    monkeypatch.setattr(seccomp, "available", lambda: False)
    assert set(protections.missing()) == {"landlock", "seccomp"}
