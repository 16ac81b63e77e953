"""Two machines on one cable: a node on the first, and a client on the second that finds it by multicast DNS.

    unshare -Urn python two_machines.py LISTEN MODULE ARGUMENT

Runs in a network namespace of its own and makes another for the second machine.  Passes on what the client prints.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLASM = [sys.executable, "-m", "plasm"]
NETWORK = "192.0.2"


def plug_in(number: int) -> None:
    """Give this namespace's end of the cable an address."""
    for arguments in (
        ["link", "set", "lo", "up"],
        ["address", "add", f"{NETWORK}.{number}/24", "dev", "cable"],
        ["link", "set", "cable", "up"],
        ["route", "add", "224.0.0.0/4", "dev", "cable"],
    ):
        subprocess.run(["ip", *arguments], check=True)


def second(command: list[str]) -> None:
    """The second machine: wait for the cable, then be the client."""
    print("here", flush=True)  # noqa: T201
    sys.stdin.readline()
    plug_in(2)
    os.environ["PLASM_HOME"] += "-client"
    os.execv(sys.executable, [*PLASM, *command])


def first(listen: str, module: str, argument: str) -> int:
    """The first machine: lay the cable, start a node, let the client go."""
    client = [*("unshare", "--net", sys.executable, __file__, "second"), "submit", module, argument]
    with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        other.stdout.readline()
        cable = ["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(other.pid)]
        subprocess.run(["ip", *cable], check=True)
        plug_in(1)
        environment = {**os.environ, "PLASM_HOME": os.environ["PLASM_HOME"] + "-node"}
        start = [*PLASM, "start", "--listen", listen, "--discovery", "mdns", "--workers", "1"]
        with subprocess.Popen(start, env=environment, stderr=subprocess.PIPE, text=True) as node:
            assert node.stderr
            while (line := node.stderr.readline()) and "peers reach it" not in line:
                pass
            print(line.rpartition("/")[2].strip(), flush=True)  # noqa: T201
            output, _ = other.communicate("go\n", timeout=60)
            print(output, end="", flush=True)  # noqa: T201
            node.terminate()
            Path(os.environ["PLASM_HOME"] + ".log").write_text(node.stderr.read())
        return other.returncode


if __name__ == "__main__":
    if sys.argv[1] == "second":
        second(sys.argv[2:])
    sys.exit(first(*sys.argv[1:]))
