"""The first job of a machine that has booted, and what it shows."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from plasm_boot.stage2 import hello

NODE = "12D3KooWExample"
RECEIPT = b'{"payload": "..."}\n'


class _Machine:
    """A machine whose programs answer so; it keeps what was started."""

    def __init__(self, *, service: str, status: int = 0) -> None:
        self.service = service
        self.failures = status
        self.started: list[list[str]] = []

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.started.append(list(command))
        if command[0] == "systemctl":
            return subprocess.CompletedProcess(command, 0, stdout=f"{self.service}\n")
        if command[1] == "status":
            return subprocess.CompletedProcess(command, 0, json.dumps({"node": NODE, "addresses": [f"/a/p2p/{NODE}"]}))
        if self.failures:
            return subprocess.CompletedProcess(command, self.failures, "", "plasm: error[worker-failed]: no\x1b[m\n")
        Path(command[command.index("--receipt") + 1]).write_bytes(RECEIPT)
        ended = {"node": NODE, "stdout": {"text": 'say "hi"\n'}}
        return subprocess.CompletedProcess(command, 0, json.dumps(ended))


def test_the_node_of_the_machine_runs_it_and_the_receipt_is_one_line_between_marks() -> None:
    machine, shown = _Machine(service="active"), list[str]()
    assert hello.hello(shown.append, machine.run) == 0
    assert machine.started[-1][:4] == ["plasm", "submit", "--peer", f"/a/p2p/{NODE}"]
    assert shown[0] == r'phase: hello says "say \"hi\""'
    assert shown[1] == f"phase: node {NODE}"
    assert shown[2] == "phase: receipt BEGIN"
    assert base64.b64decode(shown[3], validate=True) == RECEIPT
    assert shown[4:] == ["phase: receipt END"]


def test_where_no_node_is_the_job_runs_all_the_same() -> None:
    machine = _Machine(service="inactive")
    assert hello.hello(lambda _: None, machine.run) == 0
    assert machine.started[-1][:2] == ["plasm", "run"]


def test_a_failure_is_told_in_one_line_and_by_the_exit_status() -> None:
    machine, shown = _Machine(service="inactive", status=125), list[str]()
    assert hello.hello(shown.append, machine.run) == 125
    assert shown == [r"phase: hello failed: plasm: error[worker-failed]: no\x1b[m"]
