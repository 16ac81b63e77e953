"""Nodes in processes of their own: jobs over real sockets, and what happens when a node dies or a peer is hostile."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mesh.processes import PATIENCE_SECONDS, NodeProcess, nodes

from jobs import EXIT, FLOOD
from world import Plasm, Wasm, plasm_environment

pytestmark = pytest.mark.once

KINDS = ("/tcp/", "/quic-v1")


def of_kind(node: NodeProcess, kind: str) -> str:
    return next(address for address in node.addresses if kind in address)


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_goes_to_a_node_and_comes_back_with_its_receipt(
    plasm: Plasm, hello: Path, tmp_path: Path, kind: str
) -> None:
    with nodes(tmp_path, 1) as [node]:
        receipt = tmp_path / "receipt.json"
        done = plasm("submit", hello, "Hello, World", "--peer", of_kind(node, kind), "--receipt", receipt)
        assert (done.returncode, done.stdout) == (0, b"dlroW ,olleH\n"), done.stderr
        assert node.peer.encode() in done.stderr
        assert plasm("verify", receipt, "--module", hello, "--signer", node.peer).returncode == 0
        assert node.stop() == 0
    assert [event for event in node.events() if event not in {"listening", "connected"}] == [
        "identified",
        "offered",
        "accepted",
        "finished",
        "draining",
        "stopped",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_input_and_output_of_megabytes(plasm: Plasm, hello: Path, tmp_path: Path, kind: str) -> None:
    data = b"0123456789abcde\n" * (5 * 2**16)
    with nodes(tmp_path, 1) as [node]:
        done = plasm("submit", hello, "--peer", of_kind(node, kind), "--quiet", input=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"edcba9876543210\n" * (5 * 2**16)


def test_exit_codes_and_json(plasm: Plasm, wasm: Wasm, tmp_path: Path) -> None:
    with nodes(tmp_path, 1) as [node]:
        assert plasm("submit", wasm(EXIT % 42), "--peer", node.address).returncode == 42
        done = plasm("submit", wasm(EXIT % 7), "--peer", node.address, "--json")
        assert done.returncode == 7
        document = json.loads(done.stdout)
        assert document["outcome"] == {"kind": "exited", "exit_code": 7, "trap": None}
        assert document["node"] == node.peer
        assert document["receipt"]["signatures"][0]["keyid"] == node.peer


def test_peers_are_listed_with_what_they_offer(plasm: Plasm, tmp_path: Path) -> None:
    with nodes(tmp_path, 2) as started:
        options = [option for node in started for option in ("--peer", node.address)]
        rows = json.loads(plasm("peers", *options, "--json").stdout)
        assert {row["peer"] for row in rows} == {node.peer for node in started}
        assert all(row["runtimes"][0].startswith("wasmtime ") for row in rows)
        assert b"x86_64" in plasm("peers", *options).stdout or os.uname().machine != "x86_64"


def test_a_node_that_dies_in_the_middle_of_a_job_is_an_error(plasm: Plasm, wasm: Wasm, tmp_path: Path) -> None:
    with nodes(tmp_path, 1) as [node]:
        job = submitting(wasm(FLOOD), "--peer", node.address, "--output-limit", "1GiB", "--timeout", "10m")
        assert job.stdout is not None
        assert job.stdout.read(10)
        node.kill()
        _, errors = job.communicate(timeout=PATIENCE_SECONDS)
    assert job.returncode == 125
    assert node.peer.encode() in errors
    assert b"error[" in errors.splitlines()[-1]


def test_another_node_delivers_what_a_dying_one_did_not(plasm: Plasm, tmp_path: Path, hello: Path) -> None:
    with nodes(tmp_path, 2) as [dying, living]:
        job = submitting(hello, "--peer", dying.address, "--peer", living.address, "--attempts", "2")
        assert job.stdin is not None
        job.stdin.write(b"first\n")
        job.stdin.flush()
        dying.until("accepted")
        dying.kill()
        job.stdin.write(b"second\n")
        out, errors = job.communicate(timeout=PATIENCE_SECONDS)
        assert (job.returncode, out) == (0, b"tsrif\ndnoces\n"), errors
        assert living.stop() == 0
    assert living.events().count("finished") == 1


def test_ten_nodes_share_many_jobs(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    with nodes(tmp_path, 10) as started:
        results: dict[str, bytes] = {}

        def ask(node: NodeProcess) -> None:
            results[node.peer] = plasm("submit", hello, node.peer, "--peer", node.address, "--quiet").stdout

        threads = [threading.Thread(target=ask, args=(node,)) for node in started]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {node.peer: node.peer[::-1].encode() + b"\n" for node in started}


def test_ctrl_c_cancels_the_job_on_the_node(wasm: Wasm, tmp_path: Path) -> None:
    import signal

    with nodes(tmp_path, 1) as [node]:
        job = submitting(wasm(FLOOD), "--peer", node.address, "--output-limit", "1GiB", "--timeout", "10m")
        assert job.stdout is not None
        assert job.stdout.read(10)
        job.send_signal(signal.SIGINT)
        job.communicate(timeout=PATIENCE_SECONDS)
        assert job.returncode == 130
        node.until("gone")


def test_a_job_that_runs_is_finished_before_a_node_stops(hello: Path, tmp_path: Path) -> None:
    with nodes(tmp_path, 1) as [node]:
        job = submitting(hello, "--peer", node.address)
        assert job.stdin is not None
        job.stdin.write(b"first\n")
        job.stdin.flush()
        node.until("accepted")
        import signal

        node.process.send_signal(signal.SIGTERM)
        node.until("draining")
        out, errors = job.communicate(b"last", timeout=PATIENCE_SECONDS)
        assert (job.returncode, out) == (0, b"tsrif\ntsal"), errors
        assert node.close() == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 1000, b"GET / HTTP/1.1\r\n\r\n", os.urandom(10_000), b"\x13/multistream/1.0.0\n" + b"\xff" * 500],
    ids=["nothing", "zeros", "HTTP", "noise", "almost libp2p"],
)
def test_a_stranger_that_sends_garbage_disturbs_nobody(plasm: Plasm, hello: Path, tmp_path: Path, data: bytes) -> None:
    with nodes(tmp_path, 1) as [node]:
        strangers = [_knock(of_kind(node, "/tcp/"), data) for _ in range(10)]
        assert plasm("submit", hello, "abc", "--peer", node.address, "--quiet").stdout == b"cba\n"
        for stranger in strangers:
            stranger.close()
        assert node.stop() == 0


def _knock(address: str, data: bytes) -> socket.socket:
    """A connection that says ``data`` and then nothing, for as long as it is let."""
    connection = socket.create_connection(("127.0.0.1", int(address.split("/")[4])))
    connection.sendall(data)
    return connection


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--peer", "somewhere"], "is not the address of a peer"),
        (["--peer", "/ip4/127.0.0.1/tcp/1/p2p/nobody"], "nobody"),
        (["--require", "colour=blue"], "colour=blue"),
        (["--require", "memory=lots"], "lots"),
        (["--attempts", "0"], "attempts"),
        (["--discovery", "nosuch"], "plasm-plugin-discovery-nosuch"),
        (["--transport", "nosuch"], "plasm-plugin-transport-nosuch"),
        (["--bootstrap", "x"], "is not the address of a peer"),
        (["--search", "soon"], "soon"),
        (["--dir", "/tmp:/data"], "folders"),
        (["--discovery", "none"], "--peer"),
    ],
)
def test_bad_input_is_one_line(plasm: Plasm, hello: Path, options: list[str], words: str) -> None:
    done = plasm("submit", hello, "x", *options)
    assert done.returncode == 125
    assert done.stderr.count(b"\n") == 1
    assert b"plasm: error[" in done.stderr
    assert words in done.stderr.decode()


def test_a_node_and_a_client_of_one_user_on_one_machine(plasm: Plasm, hello: Path, plasm_home: Path) -> None:
    node = NodeProcess(plasm_home, "--listen", "/ip4/127.0.0.1/tcp/0", "--discovery", "none")
    try:
        assert plasm("submit", hello, "abc", "--peer", node.address, "--quiet").stdout == b"cba\n"
        second = plasm("start", "--discovery", "none")
        assert second.returncode == 125
        assert b"error[node-running]" in second.stderr
    finally:
        assert node.stop() == 0


def test_nobody_at_the_address(plasm: Plasm, hello: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        peer = "12D3KooWGrX9L2eMoNQuWMoPGpxpE8L4Ba2GJ9mhcVPen2KtBEvw"
        done = plasm("submit", hello, "x", "--peer", f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer}")
    assert done.returncode == 125
    assert b"error[peer-unreachable]" in done.stderr
    assert peer.encode() in done.stderr


def test_another_peer_at_the_address(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    with nodes(tmp_path, 1) as [node]:
        other = node.address.replace(node.peer, "12D3KooWGrX9L2eMoNQuWMoPGpxpE8L4Ba2GJ9mhcVPen2KtBEvw")
        done = plasm("submit", hello, "x", "--peer", other)
    assert done.returncode == 125
    assert b"error[peer-unreachable]" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--listen", "somewhere"], "somewhere"),
        (["--listen", "/ip4/192.0.2.1/tcp/0"], "192.0.2.1"),
        (["--allow", "nobody"], "nobody"),
        (["--workers", "0"], "workers"),
        (["--runtime", "nosuch"], "plasm-plugin-runtime-nosuch"),
    ],
)
def test_a_node_that_cannot_start_says_why(plasm: Plasm, options: list[str], words: str) -> None:
    done = plasm("start", "--discovery", "none", *options)
    assert done.returncode == 125
    assert b"plasm: error[" in done.stderr
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def submitting(module: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "plasm", "submit", str(module), *options],
        env=plasm_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_connection_is_told_once_however_many_jobs_it_carries(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    with nodes(tmp_path, 1) as [node]:
        for _ in range(2):
            assert plasm("submit", hello, "abc", "--peer", node.address, "--quiet").stdout == b"cba\n"
        assert node.stop() == 0
    assert node.events().count("connected") == 2, "each submit is a connection, which asks and then hands a job over"
