"""Finding the node of this machine while it starts: it holds its lock before it has its socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from mesh.processes import TCP, NodeProcess

from plasm.config import Config
from plasm.control import finding
from plasm.control.lock import NodeLock
from plasm.errors import NodeNotRunning
from world import Plasm


@pytest.fixture
def config() -> Config:
    return Config.from_environment(os.environ)


def test_a_node_that_starts_is_waited_for(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener, NodeLock(config.state_dir):

        def start(_: float) -> None:
            config.runtime_dir.mkdir(parents=True)
            listener.bind(str(config.runtime_dir / "control.sock"))
            listener.listen()

        monkeypatch.setattr(finding.time, "sleep", start)
        with finding.node():
            listener.accept()[0].close()


def test_a_node_that_ends_while_it_starts_is_not_waited_for(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = NodeLock(config.state_dir)
    monkeypatch.setattr(finding.time, "sleep", lambda _: lock.__exit__(None, None, None))
    with pytest.raises(NodeNotRunning, match="no node of yours is running"):
        finding.node()


def test_a_node_that_never_answers_is_given_up(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "START_SECONDS", 0.0)
    with NodeLock(config.state_dir), pytest.raises(NodeNotRunning, match=r"nobody answers at .*control\.sock"):
        finding.node()


@pytest.mark.once
def test_a_new_identity_is_said_to_wait_for_the_nodes_restart(plasm: Plasm, plasm_home: Path) -> None:
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1")
    try:
        done = plasm("identity", "new", "--replace")
        assert done.returncode == 0
        assert b"the node that is running goes on with the key that it started with" in done.stderr
        assert done.stdout.strip().decode() != node.peer
    finally:
        assert node.stop() == 0
    assert b"goes on" not in plasm("identity", "new", "--replace").stderr


@pytest.mark.once
def test_input_that_cannot_be_read_is_an_error_of_its_own_through_the_node(
    plasm: Plasm, hello: Path, plasm_home: Path, tmp_path: Path
) -> None:
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1")
    try:
        with (tmp_path / "written").open("wb") as write_only:
            for way in ((), ("--peer", node.address, "--discovery", "none")):
                done = plasm("submit", hello, *way, stdin=write_only)
                assert done.returncode == 125
                assert b"error[unreadable-input]: stdin cannot be read" in done.stderr
                assert b"Traceback" not in done.stderr
    finally:
        assert node.stop() == 0
