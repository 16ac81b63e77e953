"""Measures ``plasm submit`` as a whole process against ``plasm run`` of the same job; the peer is on loopback.

python bench/submit.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from mesh import process
from run import GREETING, HELLO, Measurement, medians

PLASM = str(Path(sys.executable).with_name("plasm"))
START = ("-m", "plasm", "start", "--listen", "/ip4/127.0.0.1/tcp/0", "--discovery", "none")
REFERENCE = "plasm run"


def command(home: str, *arguments: str) -> Callable[[], object]:
    """The command ``plasm`` from nothing to its exit, with ``home`` as its home."""

    def run() -> None:
        words = [PLASM, *arguments, str(HELLO), GREETING]
        environment = {"PLASM_HOME": home, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        assert done.stdout == b"dlroW ,olleH\n", done

    return run


def main() -> None:
    """Print every measurement."""
    with (
        tempfile.TemporaryDirectory(prefix="plasm-bench-") as folder,
        process(f"{folder}/peer", *START, marker="peers reach it") as peer,
        process(f"{folder}/own", *START, marker="peers reach it"),
    ):
        taken = medians(
            {
                "run": command(f"{folder}/alone", "run"),
                "own": command(f"{folder}/own", "submit", "-q"),
                "peer": command(f"{folder}/own", "submit", "-q", "--peer", peer),
                "alone": command(f"{folder}/alone", "submit", "-q", "--peer", peer),
            },
            rounds=21,
        )
    for name, time, aim in (
        ("plasm submit, run by the local node", taken["own"], 1.5),
        ("plasm submit, through it to a peer", taken["peer"], 1.5),
        ("plasm submit to a peer without a local node", taken["alone"], None),
    ):
        print(Measurement(name, REFERENCE, taken["run"], time, aim))


if __name__ == "__main__":
    main()
