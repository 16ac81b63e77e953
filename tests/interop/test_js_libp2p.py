"""js-libp2p, in a process of its own, talks to a node and verifies in JavaScript what the node signed.

The programs are written from docs/ alone and share no code with Plasm.  `make interop` installs what they need.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from interop.install import Unavailable, check_version, install
from mesh.processes import PATIENCE_SECONDS, QUIC, TCP, NodeProcess

from world import ROOT

pytestmark = pytest.mark.once

HERE = Path(__file__).parent
VECTORS = ROOT / "tests" / "vectors" / "receipts"
KINDS = ("/tcp/", "/quic-v1")

Javascript = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs, in a folder in which Node finds their packages."""
    try:
        packages = install(ROOT / "build" / "interop")
    except Unavailable as reason:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("interop")
    for program in HERE.glob("*.mjs"):
        shutil.copy(program, folder)
    (folder / "node_modules").symlink_to(packages)
    return folder


@pytest.fixture
def javascript(programs: Path) -> Javascript:
    """Runs one of the programs, as in ``javascript("submit.mjs", address, module)``."""

    def run(program: str, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["node", programs / program, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS + 30,  # it watches the clock itself and says more
            check=False,
        )

    return run


@pytest.fixture
def node(programs: Path, tmp_path: Path) -> Iterator[NodeProcess]:
    """A node that js-libp2p can reach both ways."""
    node = NodeProcess(tmp_path / "node", "--listen", TCP, "--listen", QUIC, "--discovery", "none", "--workers", "1")
    try:
        yield node
    finally:
        if node.process.poll() is None:
            assert node.stop() == 0


def address(node: NodeProcess, kind: str) -> str:
    return next(address for address in node.addresses if kind in address)


def found(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_goes_from_javascript_to_a_node_and_its_receipt_verifies_there(
    javascript: Javascript, node: NodeProcess, hello: Path, kind: str
) -> None:
    first = found(javascript("submit.mjs", address(node, kind), hello, "Hello, World"))
    assert (first["stdout"], first["stderr"]) == ("dlroW ,olleH\n", "")
    assert first["peer"] == first["capability"]["peer"] == node.peer
    assert first["address"] == address(node, kind)
    assert set(first["capability"]["addresses"]) == set(node.addresses)
    assert first["statement"]["predicate"]["outcome"] == {"kind": "exited", "exitCode": 0}
    assert first["moduleWanted"]
    assert not found(javascript("submit.mjs", address(node, kind), hello, "again"))["moduleWanted"]
    assert node.stop() == 0
    assert node.events().count("finished") == 2
    assert not {"violation", "gone"} & set(node.events())


@pytest.mark.parametrize("kind", KINDS)
def test_megabytes_of_input_and_output_pass_at_once(
    javascript: Javascript, node: NodeProcess, hello: Path, tmp_path: Path, kind: str
) -> None:
    lines = tmp_path / "lines"
    lines.write_text("0123456789abcde\n" * (5 * 2**16))
    done = found(javascript("submit.mjs", "--stdin", lines, address(node, kind), hello))
    assert done["stdout"] == "edcba9876543210\n" * (5 * 2**16)
    assert done["statement"]["predicate"]["stdin"]["size"] == lines.stat().st_size


@pytest.mark.parametrize("kind", KINDS)
def test_identify_tells_javascript_which_protocols_a_node_speaks(
    javascript: Javascript, node: NodeProcess, hello: Path, kind: str
) -> None:
    done = found(javascript("submit.mjs", address(node, kind), hello, "Hello"))
    assert {"/plasm/info/1", "/plasm/job/1"} <= set(done["protocols"])


def test_a_node_that_is_not_the_one_that_was_asked_for_gets_no_job(
    javascript: Javascript, node: NodeProcess, hello: Path
) -> None:
    other = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
    for kind in KINDS:
        done = javascript("submit.mjs", address(node, kind).replace(node.peer, other), hello, "Hello")
        assert (done.returncode, done.stdout) == (1, "")
    assert node.stop() == 0
    assert "offered" not in node.events()


def test_javascript_and_python_agree_on_which_signatures_hold(javascript: Javascript) -> None:
    good = json.loads((VECTORS / "receipts.json").read_text())
    bad = [each for each in json.loads((VECTORS / "invalid.json").read_text()) if each["code"] == "verification-failed"]
    names = [vector["name"] for vector in good]
    assert found(javascript("verify.mjs", stdin=json.dumps(good + bad))) == names


def test_a_machine_that_cannot_run_javascript_is_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for said in ("v16.20.2\n", "v18.18.2\n", ""):
        with pytest.raises(Unavailable, match=r"needs Node 18\.19 or newer"):
            check_version(said)
    check_version("v18.19.1\n")
    check_version("v24.1.0\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="node is not installed"):
        install(tmp_path)
