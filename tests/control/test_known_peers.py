"""A node remembers the peers that it met: it says so, and after a restart it goes back to them at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mesh.processes import PATIENCE_SECONDS, TCP, NodeProcess, nodes

from world import Plasm, plasm_environment

pytestmark = pytest.mark.once

Start = Callable[..., NodeProcess]


@pytest.fixture
def start(plasm_home: Path) -> Iterator[Start]:
    """Starts this user's node, which finds nobody by itself."""
    with ExitStack() as running:

        def start(*options: str) -> NodeProcess:
            node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1", *options)
            running.callback(lambda: node.process.poll() is not None or node.stop())
            return node

        yield start


def peers(plasm: Plasm, *options: object, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    done = plasm("peers", "--json", *options, env=env)
    assert done.returncode == 0, done
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def submit(plasm: Plasm, hello: Path, *options: object) -> str:
    """Has ``hello`` run; returns what is told of it, among that the peer."""
    done = plasm("submit", hello, "abc", *options)
    assert (done.returncode, done.stdout) == (0, b"cba\n"), done
    return str(done.stderr.decode())


def test_a_node_that_starts_again_goes_back_to_the_peer_that_ran_its_job(
    plasm: Plasm, hello: Path, tmp_path: Path, start: Start
) -> None:
    with nodes(tmp_path, 1) as [peer]:
        node = start()
        submit(plasm, hello, "--peer", peer.address)
        assert node.stop() == 0
        start()
        assert f"runs on {peer.peer}" in submit(plasm, hello)
        (row,) = peers(plasm)
        assert (row["peer"], row["state"], row["address"]) == (peer.peer, "answered", peer.address)
        assert row["seen"] == row["last_seen"] >= row["first_seen"] > time.time() - 600
        assert (row["jobs_run"], row["jobs_failed"], row["jobs_given"]) == (2, 0, 0)
        assert all(row[offered] for offered in ("arch", "runtimes", "memory", "workers", "version", "latency_ms"))


def test_what_a_killed_node_knew_of_its_peers_is_there_again(
    plasm: Plasm, hello: Path, tmp_path: Path, start: Start
) -> None:
    with nodes(tmp_path, 1) as [peer]:
        node = start()
        submit(plasm, hello, "--peer", peer.address)
        node.kill()
        start()
        assert f"runs on {peer.peer}" in submit(plasm, hello)


def test_a_peer_that_does_not_answer_any_more_is_shown_as_known(
    plasm: Plasm, hello: Path, tmp_path: Path, start: Start
) -> None:
    start()
    with nodes(tmp_path, 1) as [peer]:
        submit(plasm, hello, "--peer", peer.address)
        (there,) = peers(plasm)
    (gone,) = peers(plasm, "--search", "1s")
    assert gone.keys() == there.keys()
    assert gone["state"] == "known"
    for same in ("peer", "address", "arch", "runtimes", "first_seen", "jobs_run"):
        assert gone[same] == there[same]
    assert gone["last_seen"] == gone["seen"] <= there["last_seen"] + 1
    assert [gone[missing] for missing in ("memory", "workers", "version", "latency_ms")] == [None] * 4
    (line,) = plasm("peers", "--search", "1s").stdout.decode().splitlines()
    assert line.startswith(peer.peer)
    assert "does not answer, last seen 2" in line


def test_a_known_peer_that_is_gone_keeps_no_job_from_running(
    plasm: Plasm, hello: Path, tmp_path: Path, start: Start
) -> None:
    node = start()
    with nodes(tmp_path, 1) as [peer]:
        submit(plasm, hello, "--peer", peer.address)
    assert f"runs on {node.peer}" in submit(plasm, hello, "--attempts", "1")


def test_a_peer_that_has_moved_is_found_where_it_answered_last(
    plasm: Plasm, hello: Path, tmp_path: Path, start: Start
) -> None:
    start()
    for _ in range(2):
        with nodes(tmp_path, 1) as [peer]:
            submit(plasm, hello, "--peer", peer.address)
            assert f"runs on {peer.peer}" in submit(plasm, hello)
            (row,) = peers(plasm)
            assert (row["peer"], row["address"], row["state"]) == (peer.peer, peer.address, "answered")


def test_a_peer_that_is_denied_is_not_gone_back_to(plasm: Plasm, hello: Path, tmp_path: Path, start: Start) -> None:
    with nodes(tmp_path, 1) as [peer]:
        node = start()
        submit(plasm, hello, "--peer", peer.address)
        assert node.stop() == 0
        node = start("--deny", peer.peer)
        assert f"runs on {node.peer}" in submit(plasm, hello)
        (row,) = peers(plasm)
        assert (row["peer"], row["state"]) == (peer.peer, "known")


def test_peers_that_are_named_are_the_only_ones_asked(plasm: Plasm, hello: Path, tmp_path: Path, start: Start) -> None:
    start()
    with nodes(tmp_path, 2) as [known, named]:
        submit(plasm, hello, "--peer", known.address)
        named.kill()
        done = plasm("submit", hello, "abc", "--peer", named.address)
    assert done.returncode == 125
    assert b"error[peer-unreachable]" in done.stderr


def test_who_gives_a_job_is_remembered_and_who_only_asks_is_not(
    plasm: Plasm, hello: Path, tmp_path: Path, start: Start
) -> None:
    node = start()
    for home, arguments in (("asks", ["peers"]), ("gives", ["submit", hello, "x"]), ("gives", ["submit", hello, "y"])):
        done = plasm(*arguments, "--peer", node.address, env={"PLASM_HOME": str(tmp_path / home)})
        assert done.returncode == 0, done
    (row,) = peers(plasm)
    assert row["peer"] == plasm("identity", env={"PLASM_HOME": str(tmp_path / "gives")}).stdout.decode().strip()
    assert (row["state"], row["address"], row["arch"], row["runtimes"]) == ("known", None, None, [])
    assert (row["jobs_given"], row["jobs_run"]) == (2, 0)
    (line,) = plasm("peers").stdout.decode().splitlines()
    assert line.startswith(f"{row['peer']}  does not answer")


def test_a_node_is_no_peer_of_its_own(plasm: Plasm, hello: Path, start: Start) -> None:
    node = start()
    assert f"runs on {node.peer}" in submit(plasm, hello)
    assert peers(plasm) == []


def test_a_peer_that_dies_in_the_middle_of_a_job_has_failed_it(
    plasm: Plasm, hello: Path, tmp_path: Path, start: Start
) -> None:
    start()
    with nodes(tmp_path, 1) as [peer]:
        job = subprocess.Popen(
            [sys.executable, "-m", "plasm", "submit", str(hello), "--peer", peer.address],
            env=plasm_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        peer.until("accepted")
        peer.kill()
        _, errors = job.communicate(timeout=PATIENCE_SECONDS)
        assert job.returncode == 125, errors
    (row,) = peers(plasm, "--search", "1s")
    assert (row["peer"], row["jobs_run"], row["jobs_failed"]) == (peer.peer, 0, 1)
