"""The control socket: the owner sees and steers the node, has jobs run by it, and nobody else gets a word."""

from __future__ import annotations

import grp
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh.processes import PATIENCE_SECONDS, TCP, NodeProcess, nodes

from jobs import EXIT, FLOOD
from plasm.control.address import short_path
from plasm.control.client import ControlClient
from plasm.control.lines import LineReader, line
from plasm.errors import InvalidInput, NodeNotRunning, ProtocolViolation
from plasm.model import Sha256
from plasm.node.store import Store
from world import Plasm, Wasm, plasm_environment

pytestmark = pytest.mark.once


@pytest.fixture
def node(plasm_home: Path) -> Iterator[NodeProcess]:
    """A node of this user's, with this user's home."""
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1")
    yield node
    if node.process.poll() is None:
        assert node.stop() == 0


def socket_of(home: Path) -> Path:
    return home / "run" / "control.sock"


def asked(plasm: Plasm, *arguments: object) -> Any:
    done = plasm(*arguments, "--json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def test_the_owner_sees_the_node_its_jobs_and_its_receipts(
    plasm: Plasm, hello: Path, node: NodeProcess, tmp_path: Path
) -> None:
    assert plasm("submit", hello, "abc", "--quiet").stdout == b"cba\n"
    status = asked(plasm, "status")
    assert status["node"] == node.peer
    assert status["addresses"] == node.addresses
    assert (status["running"], status["waiting"], status["draining"]) == (0, 0, False)
    assert status["jobs"] == {"exited": 1}
    (job,) = asked(plasm, "jobs")
    assert (job["state"], job["outcome"], job["peer"]) == ("finished", "exited", node.peer)
    (receipt,) = asked(plasm, "receipts", "list")
    assert receipt["job"] == job["job"]
    assert plasm("receipts", "export", job["job"], tmp_path / "r.json").returncode == 0
    assert plasm("verify", tmp_path / "r.json", "--module", hello, "--signer", node.peer).returncode == 0
    assert node.peer.encode() in plasm("receipts", "show", job["job"]).stdout
    assert asked(plasm, "receipts", "verify") == {"verified": 1, "broken": {}}
    for command in (("status",), ("jobs",), ("receipts", "list"), ("receipts", "verify")):
        done = plasm(*command)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


def test_however_much_there_is_can_be_listed(plasm: Plasm, plasm_home: Path, request: pytest.FixtureRequest) -> None:
    store = Store(plasm_home / "state" / "node.sqlite")
    for number in range(6000):
        store.accepted(f"{number:032x}", "12D3KooW" + "x" * 44, Sha256("ab" * 32))
    store.close()
    request.getfixturevalue("node")
    jobs = asked(plasm, "jobs", "--limit", "10000")
    assert [job["job"] for job in jobs] == [f"{number:032x}" for number in reversed(range(6000))]
    assert len(asked(plasm, "jobs", "--limit", "101")) == 101


def test_a_job_goes_through_the_node_to_a_peer(plasm: Plasm, hello: Path, node: NodeProcess, tmp_path: Path) -> None:
    data = b"0123456789abcde\n" * (2**17)
    with nodes(tmp_path, 1) as [peer]:
        done = plasm("submit", hello, "--peer", peer.address, "--receipt", tmp_path / "r.json", input=data)
        assert done.returncode == 0, done.stderr
        assert done.stdout == b"edcba9876543210\n" * (2**17)
        assert f"the job runs on {peer.peer}".encode() in done.stderr
        assert plasm("verify", tmp_path / "r.json", "--signer", peer.peer, "--module", hello).returncode == 0
        assert plasm("submit", hello, "--peer", peer.address, "-q", input=b"again\n").stdout == b"niaga\n"
        assert plasm("submit", hello, "abc", "--peer", peer.address, "--attempts", "2", "-q").stdout == b"cba\n"
        assert asked(plasm, "submit", hello, "abc", "--peer", peer.address)["stdout"] == {"text": "cba\n"}
    assert asked(plasm, "jobs") == []


def test_peers_to_begin_with_in_the_configuration_are_the_node_s_business(
    plasm: Plasm, hello: Path, node: NodeProcess
) -> None:
    configured = {"PLASM_BOOTSTRAP": f"/ip4/127.0.0.1/tcp/9/p2p/{node.peer}"}
    done = plasm("submit", hello, "abc", env=configured)
    assert done.stdout == b"cba\n"
    assert f"on {node.peer}".encode() in done.stderr
    assert json.loads(plasm("peers", "--json", "--search", "0.1s", env=configured).stdout) == []


def test_input_that_nobody_reads_and_exit_codes(plasm: Plasm, wasm: Wasm, node: NodeProcess) -> None:
    assert plasm("submit", wasm(EXIT % 42), "-q", input=bytes(3 * 2**20)).returncode == 42


def test_nothing_slow_is_loaded_to_submit_through_a_node(hello: Path, node: NodeProcess) -> None:
    code = (
        "import sys; from plasm.cli.app import main; "
        f"status = main(['submit', {str(hello)!r}, 'abc', '-q']); "
        "print(status, sorted({'trio', 'anyio', 'libp2p', 'structlog', 'cattrs'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=plasm_environment(), capture_output=True, check=False)
    assert done.stdout == b"cba\n0 []\n", done


def test_the_systems_node_serves_those_whom_it_lets_in(
    node: NodeProcess, plasm_home: Path, hello: Path, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; import plasm.control.finding; from plasm.cli.app import main; "
        f"plasm.control.finding.SYSTEM_SOCKET = Path({str(socket_of(plasm_home))!r}); "
        f"sys.exit(main(['submit', {str(hello)!r}, 'abc']))"
    )
    environment = plasm_environment(HOME=str(tmp_path))
    del environment["PLASM_HOME"]
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"cba\n"), done
    assert f"the job runs on {node.peer}".encode() in done.stderr


def test_ctrl_c_gives_the_job_up(plasm: Plasm, wasm: Wasm, node: NodeProcess) -> None:
    import signal

    job = subprocess.Popen(
        [sys.executable, "-m", "plasm", "submit", str(wasm(FLOOD)), "--output-limit", "1GiB", "--timeout", "10m"],
        env=plasm_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert job.stdout is not None
    assert job.stdout.read(10)
    job.send_signal(signal.SIGINT)
    job.communicate(timeout=PATIENCE_SECONDS)
    assert job.returncode == 130
    node.until("gone")


def test_draining_by_command_ends_the_node(plasm: Plasm, node: NodeProcess) -> None:
    assert asked(plasm, "drain") == {"running": 0}
    assert node.close() == 0
    assert plasm("status").returncode == 125
    assert not socket_of(Path(os.environ["PLASM_HOME"])).exists()


def test_without_a_node_the_error_says_how_to_start_one(plasm: Plasm) -> None:
    for command in (("status",), ("jobs",), ("receipts", "list"), ("drain",)):
        done = plasm(*command)
        assert done.returncode == 125
        assert b"error[node-not-running]" in done.stderr
        assert b"plasm start" in done.stderr


def test_the_socket_is_its_owners_alone(node: NodeProcess, plasm_home: Path) -> None:
    path = socket_of(plasm_home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user to try it")
def test_another_user_is_turned_away_even_where_the_folder_lets_it_in(node: NodeProcess, plasm_home: Path) -> None:
    path = socket_of(plasm_home)
    path.chmod(0o666)
    path.parent.chmod(0o711)
    code = f"""
import os, socket
os.chdir({str(path.parent)!r})
os.setuid(65534)
connection = socket.socket(socket.AF_UNIX)
connection.connect("control.sock")
connection.sendall(b'{{"request":{{"do":"status"}}}}\\n')
print(connection.recv(10000).decode())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "serves its own user only" in done.stdout, done


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user to try it")
def test_members_of_the_nodes_group_have_jobs_run_and_do_nothing_else(plasm_home: Path) -> None:
    group = grp.getgrgid(33)
    (plasm_home / "config").mkdir(parents=True)
    (plasm_home / "config" / "config.toml").write_text(f'[control]\ngroup = "{group.gr_name}"\n')
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1")
    try:
        path = socket_of(plasm_home)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o710
        # A user who is a member only by a supplementary group, and one who is none, let through by the folder.
        member = asking(path, "status", groups=[group.gr_gid])
        assert node.peer in member, member
        assert "access-denied" in asking(path, "drain", groups=[group.gr_gid])
        assert "access-denied" in asking(path, "receipts", groups=[group.gr_gid])
        assert "Permission denied" in asking(path, "status", groups=[])
        path.chmod(0o666)
        path.parent.chmod(0o711)
        assert "access-denied" in asking(path, "status", groups=[])
    finally:
        assert node.stop() == 0


def test_a_node_does_not_start_for_a_group_that_is_none(plasm: Plasm, plasm_home: Path) -> None:
    (plasm_home / "config").mkdir(parents=True)
    (plasm_home / "config" / "config.toml").write_text('[control]\ngroup = "no-such-group"\n')
    done = plasm("start", "--listen", TCP, "--discovery", "none")
    assert done.returncode == 125
    assert b"error[invalid-config]: control.group: this machine has no group 'no-such-group'" in done.stderr


def asking(path: Path, what: str, *, groups: list[int]) -> str:
    """What a user who is nobody, in ``groups``, is answered."""
    folder = os.open(path.parent, os.O_RDONLY)
    code = f"""
import os, socket
os.fchdir({folder})
os.setgroups({groups!r})
os.setgid(65534)
os.setuid(65534)
connection = socket.socket(socket.AF_UNIX)
try:
    connection.connect("control.sock")
    connection.sendall(b'{{"request":{{"do":"{what}"}}}}\\n')
    print(connection.recv(10000).decode())
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, pass_fds=[folder])
    os.close(folder)
    return done.stdout


A_JOB = {"manifest": {}, "module": {"sha256": "0" * 64, "size": 8}, "nonce": "0" * 64}
NO_REQUESTS = [
    (b"nonsense\n", "protocol-violation"),
    (b"[]\n", "protocol-violation"),
    (b"{}\n", "protocol-violation"),
    (b'{"a":1,"b":2}\n', "protocol-violation"),
    (b'{"request":3}\n', "protocol-violation"),
    (b"x" * (2**20 + 1), "protocol-violation"),
    (line("request", {}), "invalid-input"),
    (line("request", {"do": "dance"}), "invalid-input"),
    (line("request", {"do": "jobs", "limit": 0}), "invalid-input"),
    (line("request", {"do": "jobs", "limit": "many"}), "invalid-input"),
    (line("request", {"do": "receipt", "job": "none"}), "invalid-input"),
    (line("request", {"do": "receipt"}), "invalid-input"),
    (b'{"request":{"do":"receipt","job":"\\ud800"}}\n', "invalid-input"),
    *(
        (line("request", {"do": do, **A_JOB, "require": require}), "invalid-input")
        for do in ("run", "submit")
        for require in ({"arch": 5}, {"runtime": [1]}, {"memory": "x"}, {"memory": -1}, {"gpu": 1})
    ),
    (line("request", {"do": "run"}), "invalid-input"),
    (line("request", {"do": "submit", "manifest": {}, "module": 3, "nonce": ""}), "invalid-input"),
    (line("request", {"do": "peers", "seconds": -1}), "invalid-input"),
]


def test_what_is_no_request_is_told(node: NodeProcess, plasm_home: Path) -> None:
    for said, code in NO_REQUESTS:
        with socket.socket(socket.AF_UNIX) as connection:
            name, folder = short_path(socket_of(plasm_home))
            connection.connect(name)
            os.close(folder)
            connection.sendall(said)
            answer = json.loads(connection.makefile("rb").readline())
        assert answer["error"]["code"] == code, said[:60]
    with ControlClient(socket_of(plasm_home)) as client:
        assert client.ask("status")["node"] == node.peer


def test_a_connection_carries_one_request_after_the_other(node: NodeProcess, plasm_home: Path) -> None:
    with ControlClient(socket_of(plasm_home)) as client:
        for _ in range(3):
            assert client.ask("status", more=True)["node"] == node.peer
            assert client.ask("jobs", more=True) == []
            with pytest.raises(InvalidInput, match="no receipt"):
                client.ask("receipt", more=True, job="none")
        client.send("request", {"do": "status", "more": True})
        client.send("request", {"do": "jobs", "more": True})
        assert [client.receive()[0], client.receive()] == ["result", ("result", [])]
        client.send("nonsense", {})
        with pytest.raises(ProtocolViolation):
            client.receive()
        with pytest.raises(NodeNotRunning):
            client.receive()


@pytest.mark.parametrize("request_", [{"do": "status"}, {"do": "receipt", "job": "none"}])
def test_the_node_closes_after_a_request_that_says_nothing_of_another(
    node: NodeProcess, plasm_home: Path, request_: dict[str, str]
) -> None:
    """Clients that read to the end of the connection have their answer then."""
    with socket.socket(socket.AF_UNIX) as connection:
        name, folder = short_path(socket_of(plasm_home))
        connection.connect(name)
        os.close(folder)
        connection.sendall(json.dumps({"request": request_}).encode() + b"\n")
        answer = connection.makefile("rb").read()
    assert answer.count(b"\n") == 1
    assert answer.endswith(b"}\n")


def test_a_job_is_the_last_request_of_its_connection(node: NodeProcess, plasm_home: Path) -> None:
    with ControlClient(socket_of(plasm_home)) as client:
        client.send("request", {"do": "run"})
        with pytest.raises(InvalidInput):
            client.receive()
        with pytest.raises(NodeNotRunning):
            client.receive()


def test_all_receipts_are_verified_over_few_connections(plasm: Plasm, hello: Path, node: NodeProcess) -> None:
    for word in "abc":
        assert plasm("submit", hello, word, "-q").returncode == 0
    code = (
        "import sys; import plasm.control.client as client; from plasm.cli.app import main; "
        "made, init = [], client.ControlClient.__init__; "
        "client.ControlClient.__init__ = lambda self, path: (made.append(1), init(self, path))[1]; "
        "status = main(['receipts', 'verify']); print(status, len(made))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=plasm_environment(), capture_output=True, check=False)
    assert done.stdout == b"0 1\n", done
    assert b"3 receipts hold, 0 do not" in done.stderr


def test_a_drain_is_shown_and_undone(plasm: Plasm, hello: Path, node: NodeProcess) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "plasm", "submit", str(hello), "--quiet"],
        env=plasm_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as job:
        node.until("accepted")
        assert asked(plasm, "drain") == {"running": 1}
        node.until("draining")
        assert b"draining for" in plasm("status").stdout
        assert b"takes jobs; it runs 1" in plasm("drain", "--undo").stderr
        node.until("undrained")
        assert b"running for" in plasm("status").stdout
        assert job.communicate(b"abc\n", timeout=PATIENCE_SECONDS)[0] == b"cba\n"
    assert plasm("submit", hello, "abc", "-q").stdout == b"cba\n"


def test_a_drain_of_nothing_cannot_be_undone_and_a_node_that_takes_jobs_goes_on(
    plasm: Plasm, node: NodeProcess
) -> None:
    assert asked(plasm, "drain", "--undo") == {"running": 0}
    assert asked(plasm, "status")["state"] == "ready"
    assert b"running for" in plasm("status").stdout
    assert asked(plasm, "drain") == {"running": 0}
    assert node.close() == 0
    assert b"error[node-not-running]" in plasm("drain", "--undo").stderr


def test_run_has_the_node_itself_run_it(node: NodeProcess, plasm_home: Path, hello: Path) -> None:
    from plasm import CollectingSink, Invocation, Job, Manifest, NodeClient, read_module

    module, sink, told = read_module(hello), CollectingSink(), []
    job = Job(Manifest(module.digest, Invocation(["abc"])), module)
    delivered = NodeClient().run(job, sink, chosen=told.append)
    assert sink.content("stdout") == b"cba\n"
    assert str(delivered.peer) == node.peer == str(told[0].peer)


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(NodeNotRunning):
        ControlClient(tmp_path / "none")


@given(st.binary(max_size=300))
def test_any_bytes_are_lines_or_a_violation(data: bytes) -> None:
    try:
        for kind, _ in LineReader().feed(data):
            assert isinstance(kind, str)
    except ProtocolViolation:
        pass
