"""A disk that fills while jobs come: they are refused with a reason, and served when there is room again."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.running import running
from mesh.processes import PATIENCE_SECONDS, NodeProcess

from world import Plasm, plasm_environment

pytestmark = pytest.mark.once

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
ON_A_SMALL_DISK = 'mount -t tmpfs -o size=1m,mode=700 tmpfs "$1" && shift && exec "$@"'


@pytest.fixture
def node(plasm_home: Path) -> Iterator[NodeProcess]:
    """A node whose state is on a disk of one megabyte, which only it sees."""
    state = plasm_home / "state"
    state.mkdir(parents=True)
    prefix = (*NAMESPACE, ON_A_SMALL_DISK, "sh", str(state))
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets us mount nothing in a namespace of our own")
    with running(plasm_home, prefix=prefix) as node:
        yield node


def filled(node: NodeProcess, home: Path) -> Path:
    """A file that takes all the room that there was on the node's disk."""
    path = Path(f"/proc/{node.process.pid}/root{home}/state/filler")
    with path.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    return path


def test_a_full_disk_is_a_reason_and_passes(hello: Path, plasm_home: Path, node: NodeProcess) -> None:
    inside = ["nsenter", f"--target={node.process.pid}", "--user", "--mount", "--preserve-credentials"]

    def submit(home: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
        command = [*inside, sys.executable, "-m", "plasm", "submit", str(hello), "abc", "--quiet", *options]
        return subprocess.run(command, env=plasm_environment(PLASM_HOME=str(home)), capture_output=True, check=False)

    ways: tuple[Callable[[], subprocess.CompletedProcess[bytes]], ...] = (
        lambda: submit(plasm_home),  # by the control socket
        lambda: submit(plasm_home.with_name("client"), "--peer", node.address, "--attempts", "2"),
    )
    for way in ways:
        assert way().stdout == b"cba\n"
    filler = filled(node, plasm_home)
    for way in ways:
        # SQLite may have some room left in files that it has already.
        done = next(done for done in (way() for _ in range(20)) if done.returncode)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (125, b"", 1), done.stderr
        assert b"see its log" in done.stderr
    assert all("node.sqlite cannot be written" in line["detail"] for line in node.until("rejected"))
    filler.unlink()
    for way in ways:
        assert way().stdout == b"cba\n"


def test_a_disk_that_fills_under_a_job_fails_the_job_only(
    plasm: Plasm, hello: Path, plasm_home: Path, node: NodeProcess
) -> None:
    elsewhere = plasm_environment(PLASM_HOME=str(plasm_home.with_name("client")))
    submit = [sys.executable, "-m", "plasm", "submit", str(hello), "--quiet", "--peer", node.address]
    with subprocess.Popen(
        submit, env=elsewhere, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as job:
        node.until("accepted")
        filler = filled(node, plasm_home)
        _, errors = job.communicate(b"abc\n", timeout=PATIENCE_SECONDS)
    assert (job.returncode, errors.count(b"\n")) == (125, 1), errors
    assert b"error[peer-failed]" in errors
    assert b"node.sqlite" not in errors, "what files a node has is no business of a peer's"
    (failed,) = node.until("failed")
    assert "node.sqlite cannot be written" in failed["detail"]
    filler.unlink()
    done = plasm("submit", hello, "abc", "--quiet", "--peer", node.address, env=elsewhere)
    assert done.stdout == b"cba\n"
