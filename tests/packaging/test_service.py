"""The system's service is closed to what it does not need, and is asked by who has no node of their own."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from plasm.control import finding
from plasm.errors import NodeNotRunning
from world import ROOT

pytestmark = pytest.mark.once

UNIT = ROOT / "core" / "src" / "plasm" / "service" / "plasmd.service"
MAX_EXPOSURE = 2.0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_service_is_little_exposed() -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert said, done.stderr
    assert float(said[1]) <= MAX_EXPOSURE, done.stdout


def test_what_a_worker_needs_to_confine_itself_is_allowed() -> None:
    allowed = [line for line in UNIT.read_text().splitlines() if line.startswith("SystemCallFilter=")]
    assert {"seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"} <= set(
        re.split(r"[= ]", allowed[-1])
    )


def test_a_user_without_a_node_asks_the_systems_but_not_from_another_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "SYSTEM_SOCKET", tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)
        listening.bind("control.sock")
        listening.listen()
        with pytest.raises(NodeNotRunning):
            finding.node()
        monkeypatch.delenv("PLASM_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        with finding.node() as client:
            accepted, _ = listening.accept()
            accepted.close()
            assert client.descriptor
