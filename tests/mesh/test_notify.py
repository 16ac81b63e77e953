"""A node tells systemd when it is ready, alive and about to stop, on the socket that systemd listens at."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from mesh.processes import PATIENCE_SECONDS, TCP, NodeProcess

from plasm.node.store import Store
from plasm.ops.service_manager import ServiceManager, keep_watched
from world import Plasm, plasm_environment

PATH, ABSTRACT = "path", "abstract"


class Systemd:
    """Listens as systemd does."""

    def __init__(self, listening: socket.socket, address: str) -> None:
        self._socket = listening
        self.environ = {"NOTIFY_SOCKET": address}

    def heard(self) -> dict[str, str]:
        """The next thing that is said."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def until(self, name: str) -> dict[str, str]:
        while name not in (heard := self.heard()):
            pass
        return heard

    def says_nothing(self) -> bool:
        self._socket.setblocking(False)
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return True
        return False


@pytest.fixture(params=[PATH, ABSTRACT])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    address = str(tmp_path / "notify") if request.param == PATH else f"@{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(PATIENCE_SECONDS)
        listening.bind(address.replace("@", "\0"))
        yield Systemd(listening, address)


def test_a_node_is_ready_when_peers_can_come_and_says_when_it_stops(systemd: Systemd, plasm_home: Path) -> None:
    watched = {**systemd.environ, "WATCHDOG_USEC": "1000"}
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1", env=watched)
    assert node.address in systemd.until("READY")["STATUS"]
    assert systemd.until("WATCHDOG") == {"WATCHDOG": "1"}
    assert node.stop() == 0
    assert systemd.until("STOPPING") == {"STOPPING": "1", "STATUS": "finishing 0 jobs"}


def test_a_node_that_drains_stops_only_when_its_jobs_have_ended(
    plasm: Plasm, hello: Path, systemd: Systemd, plasm_home: Path
) -> None:
    """A service that says that it stops is killed after a while."""
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1", env=systemd.environ)
    assert "READY" in systemd.heard()
    submit = [sys.executable, "-m", "plasm", "submit", str(hello), "--quiet"]
    with subprocess.Popen(submit, env=plasm_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        node.until("accepted")
        assert plasm("drain").returncode == 0
        assert systemd.heard() == {"STATUS": "draining, 1 running"}
        assert plasm("drain", "--undo").returncode == 0
        assert systemd.heard().keys() == {"READY", "STATUS"}
        assert plasm("drain").returncode == 0
        assert systemd.heard().keys() == {"STATUS"}
        assert job.communicate(b"abc\n", timeout=PATIENCE_SECONDS)[0] == b"cba\n"
    assert node.close() == 0
    assert systemd.heard() == {"STOPPING": "1", "STATUS": "finishing 0 jobs"}


def test_a_reload_is_told_with_its_time(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environ)
    manager.reloading()
    manager.ready("well")
    heard = systemd.heard()
    assert heard["RELOADING"] == "1"
    assert heard["MONOTONIC_USEC"].isdigit()
    assert systemd.heard() == {"READY": "1", "STATUS": "well"}


class Answers:
    """A store that answers, or does not, as often as it is told to, and then ends the test."""

    def __init__(self, *answers: bool) -> None:
        self._answers = list(answers)

    def answers(self) -> bool:
        return self._answers.pop(0)


@pytest.mark.parametrize(("answers", "times"), [((True, False, True), 2), ((False, False), 0)])
def test_a_watchdog_hears_nothing_while_the_store_does_not_answer(
    systemd: Systemd, answers: tuple[bool, ...], times: int
) -> None:
    manager = ServiceManager({**systemd.environ, "WATCHDOG_USEC": "1000"})
    with pytest.raises(IndexError):
        anyio.run(keep_watched, manager, Answers(*answers).answers, backend="trio")
    assert [systemd.heard() for _ in range(times)] == [{"WATCHDOG": "1"}] * times
    assert systemd.says_nothing()


def test_a_store_answers_until_it_cannot_be_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    assert store.answers()
    store.close()
    assert not store.answers()


@pytest.mark.parametrize(
    ("environ", "every"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_a_watchdog_is_for_the_process_that_it_names(environ: dict[str, str], every: float | None) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/nowhere", **environ}).alive_every == every
    assert ServiceManager(environ).alive_every is None


def test_nobody_who_listens_is_no_error(tmp_path: Path) -> None:
    ServiceManager({}).ready("well")
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("well")
