"""The first job of a machine that has booted, and its receipt on every console.

``python3 -m plasm_boot.stage2.hello`` runs as a service, in the full system, when the node is up.  The node runs the
job itself; in a mode without a node, ``plasm run`` does.  What it shows is stable, for people and for hosts that read
the serial line::

    phase: hello says "emas eht syawla"
    phase: node 12D3KooW…
    phase: receipt BEGIN
    eyJwYXlsb2FkVHlwZSI6…            the envelope's JSON in base64, one line
    phase: receipt END

``base64 -d`` of that line is a file for ``plasm verify``.  Exit status: 0, or that of the ``plasm`` command that
failed; what it said is then shown as ``phase: hello failed: …``.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from plasm_boot.linux.consoles import Consoles, escaped

MODULE: Final = "/usr/share/plasm/hello.wasm"
TEXT: Final = "always the same"
BEGIN: Final = "phase: receipt BEGIN"
END: Final = "phase: receipt END"
_SERVICE: Final = "plasmd.service"
_STARTING: Final = ("active", "activating", "reloading")
_SECONDS_FOR_THE_NODE: Final = 120.0

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def main() -> int:
    """Run the job and show its receipt; returns the exit status."""
    consoles = Consoles.to_write_to()
    return hello(lambda line: consoles.write(f"{line}\r\n"), _run)


def hello(show: Callable[[str], None], run: Run) -> int:
    """Run the job by the commands that ``run`` starts, and ``show`` each line; returns the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        receipt = Path(folder, "hello.receipt.json")
        command = [*_how(run), MODULE, TEXT, "--receipt", str(receipt), "--json"]
        done = run(command)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
            show(escaped(f"phase: hello failed: {said[-1]}"))
            return done.returncode
        for line in lines(json.loads(done.stdout), receipt.read_bytes()):
            show(line)
    return 0


def lines(ended: dict[str, Any], receipt: bytes) -> list[str]:
    """What to show for a job that ended so, in the form of ``plasm run --json``, and its receipt."""
    said = json.dumps(ended["stdout"].get("text", "").rstrip("\n"))
    return [
        f"phase: hello says {said}",
        f"phase: node {ended['node']}",
        BEGIN,
        base64.b64encode(receipt).decode(),
        END,
    ]


def _how(run: Run) -> list[str]:
    """The command that runs a job on this machine: through its node where there is one."""
    deadline = time.monotonic() + _SECONDS_FOR_THE_NODE
    while run(["systemctl", "is-active", _SERVICE]).stdout.strip() in _STARTING:
        asked = run(["plasm", "status", "--json"])
        if asked.returncode == 0:
            status = json.loads(asked.stdout)
            return ["plasm", "submit", "--peer", _address(status)]
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    return ["plasm", "run"]


def _address(status: dict[str, Any]) -> str:
    """An address of this machine's node; it knows itself in it, and dials nobody."""
    node = status["node"]
    return next(iter(status["addresses"]), f"/ip4/127.0.0.1/udp/1/quic-v1/p2p/{node}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  no shell


if __name__ == "__main__":
    sys.exit(main())
