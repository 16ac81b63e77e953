"""A node and a client on two machines, each a network namespace, that know nothing of each other beforehand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from world import plasm_environment

pytestmark = pytest.mark.once

TWO_MACHINES = Path(__file__).with_name("two_machines.py")


def apart() -> list[str]:
    """The command that gives another one a network of its own."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("unshare (util-linux) or ip (iproute2) is not installed")
    ways = [["unshare", "--user", "--map-root-user", "--net"], ["unshare", "--net"]]
    for way in ways:
        done = subprocess.run([*way, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return way
    pytest.skip(f"this user may make no network namespaces: {done.stderr.strip()}")


@pytest.mark.parametrize("listen", ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"], ids=["tcp", "quic"])
def test_a_client_finds_a_node_by_multicast_and_has_it_run_a_job(hello: Path, plasm_home: Path, listen: str) -> None:
    command = [*apart(), sys.executable, str(TWO_MACHINES), listen, str(hello), "Hello, World"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=plasm_environment())
    peer, *output = done.stdout.splitlines()
    assert (done.returncode, output) == (0, ["dlroW ,olleH"]), done.stderr
    assert f"the job runs on {peer}" in done.stderr
    assert "its receipt verifies" in done.stderr
    log = Path(f"{plasm_home}.log").read_text()
    assert '"event": "finished"' in log
