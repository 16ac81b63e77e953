"""Nodes that start where something is missing: a port, a network, a state folder, the right time."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from faults.running import running
from mesh.processes import TCP

from world import Plasm, plasm_environment

pytestmark = pytest.mark.once

A_YEAR_S = 365 * 24 * 3600
OTHER_TIME = """
import time
real, real_ns = time.time, time.time_ns
time.time = lambda: real() + {shift}
time.time_ns = lambda: real_ns() + {shift} * 1_000_000_000
"""


def may(*command: str) -> bool:
    """Whether this machine lets us do that in namespaces of our own."""
    return (
        shutil.which(command[0]) is not None
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


# ---- Ports ----


def test_a_port_that_is_taken_is_named_and_the_next_start_works(plasm: Plasm, plasm_home: Path, hello: Path) -> None:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        taken = [
            f"/ip4/127.0.0.1/tcp/{tcp.getsockname()[1]}",
            f"/ip4/127.0.0.1/udp/{udp.getsockname()[1]}/quic-v1",
        ]
        for address in taken:
            done = plasm("start", "--discovery", "none", "--listen", address)
            assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (125, b"", 1), done.stderr
            assert f"error[address-unavailable]: cannot listen at {address}: Address already in use" in str(done.stderr)
            assert not (plasm_home / "run" / "control.sock").exists()
    with running(plasm_home, "--listen", taken[1], listen=taken[0]) as node:
        assert {address.rpartition("/p2p/")[0] for address in node.addresses} == set(taken)
        assert plasm("submit", hello, "abc", "-q").stdout == b"cba\n"


# ---- No network ----

ALONE = ("unshare", "--user", "--map-root-user", "--net")
LOOPBACK_UP = (*ALONE, "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


@pytest.mark.skipif(not may(*LOOPBACK_UP, "true"), reason="no network namespaces of our own, or no iproute2")
@pytest.mark.parametrize("prefix", [ALONE, LOOPBACK_UP], ids=["loopback down", "loopback up"])
def test_a_node_without_a_network_serves_its_owner(
    plasm: Plasm, plasm_home: Path, hello: Path, prefix: tuple[str, ...]
) -> None:
    with running(plasm_home, "--discovery", "mdns", prefix=prefix) as node:
        assert {"advertised", "discovery-failed"} & set(node.events()), "what became of mDNS is told"
        assert plasm("submit", hello, "abc", "-q").stdout == b"cba\n"
        if prefix is LOOPBACK_UP:
            inside = ["nsenter", f"--target={node.process.pid}", "--user", "--net", "--preserve-credentials"]
            submit = [sys.executable, "-m", "plasm", "submit", str(hello), "def", "-q", "--peer", node.address]
            # With a home of its own: the job goes over the network that there is.
            elsewhere = plasm_environment(PLASM_HOME=str(plasm_home.with_name("client")))
            done = subprocess.run([*inside, *submit], env=elsewhere, capture_output=True, check=False)
            assert (done.returncode, done.stdout) == (0, b"fed\n"), done.stderr


NAMELESS = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
NO_NAME_SERVER = (*NAMELESS, 'mount --bind /dev/null /etc/resolv.conf && exec "$@"', "sh")


@pytest.mark.skipif(not may(*NO_NAME_SERVER, "true"), reason="we may mount nothing")
def test_a_node_starts_where_there_is_no_name_server(plasm: Plasm, plasm_home: Path, hello: Path) -> None:
    with running(plasm_home, "--discovery", "none", prefix=NO_NAME_SERVER):
        assert plasm("submit", hello, "abc", "-q").stdout == b"cba\n"


# ---- A state folder that is for reading only ----

READ_ONLY = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


@pytest.mark.skipif(not may(*READ_ONLY, "mount -t tmpfs -o ro tmpfs /mnt"), reason="we may mount nothing")
def test_a_state_folder_that_cannot_be_written_is_named(plasm: Plasm, plasm_home: Path) -> None:
    state = plasm_home / "state"
    state.mkdir(parents=True)
    script = 'mount -t tmpfs -o ro tmpfs "$1" && shift && exec "$@"'
    start = [sys.executable, "-m", "plasm", "start", "--discovery", "none", "--listen", TCP]
    done = subprocess.run(
        [*READ_ONLY, script, "sh", str(state), *start], env=plasm_environment(), capture_output=True, check=False
    )
    assert done.returncode == 125
    assert f"error[unwritable-output]: {state}".encode() in done.stderr
    assert b"Read-only file system" in done.stderr
    assert b"Traceback" not in done.stderr


# ---- Clocks ----


@pytest.mark.parametrize("shift", [A_YEAR_S, -A_YEAR_S], ids=["a year ahead", "a year behind"])
def test_a_clock_that_is_wrong_is_told_to_clients_and_the_owner_is_served(
    plasm: Plasm, plasm_home: Path, hello: Path, tmp_path: Path, shift: int
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(OTHER_TIME.format(shift=shift))
    with running(plasm_home, PYTHONPATH=str(site)) as node:
        elsewhere = {"PLASM_HOME": str(plasm_home.with_name("client"))}
        done = plasm("submit", hello, "abc", "--peer", node.address, env=elsewhere)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (125, b"", 1), done.stderr
        assert f"the capability record of {node.peer} is out of date (check both clocks)" in str(done.stderr)
        assert plasm("submit", hello, "abc", "-q").stdout == b"cba\n"
