"""The public surface as a Python program uses it."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mesh.processes import TCP, NodeProcess, nodes

import plasm
from plasm import api
from world import ROOT, plasm_environment

PAGE = (ROOT / "docs" / "python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=ROOT,
        env=plasm_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_importing_plasm_imports_nothing_of_a_third_party() -> None:
    code = "import sys; before = set(sys.modules); import plasm; print(sorted(set(sys.modules) - before))"
    loaded = re.findall(r"'([\w.]+)'", python(code).stdout)
    assert "plasm" in loaded
    assert [name for name in loaded if name.partition(".")[0] not in {"plasm", *sys.stdlib_module_names}] == []


def test_every_public_name_is_there_and_documented() -> None:
    public = {name: getattr(plasm, name) for name in plasm.__all__}
    assert public.keys() <= set(dir(plasm))
    for name, value in public.items():
        assert value.__doc__, name
        assert f"`{name}`" in PAGE, name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        plasm.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_hands_on_what_the_api_describes() -> None:
    own = {name for name, value in vars(api).items() if getattr(value, "__module__", None) == "plasm.api"}
    assert {*dir(api), *own} - {"errors"} <= {*plasm.__all__, "__getattr__", "_job"}


def test_the_examples_in_the_docstrings_are_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    options = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    done = doctest.testmod(api, extraglobs={"plasm": plasm}, optionflags=options)
    assert done.attempted >= 6
    assert done.failed == 0


@pytest.fixture
def node(plasm_home: Path) -> Iterator[NodeProcess]:
    """A node of this user's, through which jobs go."""
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1")
    yield node
    assert node.stop() == 0


@pytest.mark.once
def test_the_examples_of_the_page_run(node: NodeProcess) -> None:
    for example in EXAMPLES:
        done = python(example)
        assert (done.returncode, done.stderr) == (0, ""), example


@pytest.mark.once
def test_the_asynchronous_example_reaches_a_peer(tmp_path: Path) -> None:
    (example,) = [each for each in EXAMPLES if "trio.run" in each]
    with nodes(tmp_path, 1) as [peer]:
        done = python(example + f'\nprint(trio.run(reverse, "{peer.address}", "abc"))')
    assert done.stdout == "b'cba\\n'\n", done


@pytest.mark.once
def test_submit_goes_through_the_node_to_a_peer(node: NodeProcess, hello: Path, tmp_path: Path) -> None:
    with nodes(tmp_path, 1) as [peer]:
        result = plasm.submit(hello, ["abc"], peers=[peer.address])
    assert (result.stdout, str(result.node)) == (b"cba\n", peer.peer)
    assert plasm.verify(result.receipt, stdout=b"cba\n", signer=peer.peer).node == result.node
    assert "offered" not in node.events()


@pytest.mark.once
def test_submit_reaches_a_peer_directly_where_no_node_runs(hello: Path, tmp_path: Path) -> None:
    with nodes(tmp_path, 1) as [peer]:
        result = plasm.submit(hello.read_bytes(), stdin=b"abc\n", peers=[peer.address], require={"runtime": "wasmtime"})
        assert (result.stdout, str(result.node)) == (b"cba\n", peer.peer)
        with pytest.raises(plasm.errors.PeerNotFound, match="its architecture is"):
            plasm.submit(hello, peers=[peer.address], require={"arch": "none"})


@pytest.mark.once
def test_a_cancelled_submission_says_so_on_either_way(node: NodeProcess, hello: Path) -> None:
    module = plasm.read_module(hello)
    job = plasm.Job(plasm.Manifest(module.digest, plasm.Invocation(["abc"])), module)
    directly = plasm.MeshClient(peers=[plasm.PeerRecord.parse(node.address)])
    for client in (directly, plasm.NodeClient()):
        with plasm.Cancellation() as cancellation, pytest.raises(plasm.errors.JobCancelled):
            client.submit(job, Cancelling(cancellation), cancellation=cancellation)
        with plasm.Cancellation() as cancellation, pytest.raises(plasm.errors.OutputUnwanted):
            client.submit(job, Unwanting(), cancellation=cancellation)


class Unwanting:
    """Takes no output."""

    def write(self, stream: str, data: bytes) -> bool:
        return False


class Cancelling:
    """Asks for the end of the job in the middle of its output."""

    def __init__(self, cancellation: plasm.Cancellation) -> None:
        self._cancellation = cancellation

    def write(self, stream: str, data: bytes) -> bool:
        self._cancellation.cancel()
        return False


def test_a_job_with_folders_is_not_sent(hello: Path, tmp_path: Path) -> None:
    module = plasm.read_module(hello)
    preopen = plasm.Preopen(str(tmp_path), plasm.Mount("/data"))
    manifest = plasm.Manifest(module.digest, plasm.Invocation(mounts=[preopen.mount]))
    job = plasm.Job(manifest, module, (preopen,))
    for client in (plasm.NodeClient(), plasm.MeshClient()):
        with pytest.raises(plasm.errors.InvalidInput, match="folders"):
            client.submit(job, plasm.CollectingSink())


def test_verify_compares_the_input(hello: Path) -> None:
    result = plasm.run(hello, stdin=b"abc\n")
    assert plasm.verify(result.receipt, stdin=b"abc\n", module=hello.read_bytes()).node == result.node
    with pytest.raises(plasm.errors.VerificationFailed, match="stdin"):
        plasm.verify(result.receipt, stdin=b"something else")


@pytest.mark.once
def test_a_program_that_uses_plasm_can_be_type_checked(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(
        """
from typing import assert_type
import plasm

result = plasm.run("job.wasm", ["abc"], limits=plasm.Limits(memory=2**20))
assert_type(result, plasm.Result)
assert_type(result.stdout, bytes)
assert_type(plasm.verify(result.receipt), plasm.Receipt | plasm.LegacyReceipt)
plasm.submit("job.wasm", require={"arch": "x86_64"}, attempts=2)
client: plasm.PeerClient = plasm.NodeClient()
client = plasm.MeshClient()
sink: plasm.OutputSink = plasm.CollectingSink()
error: type[plasm.PlasmError] = plasm.errors.PeerLied
plasm.submit("job.wasm", require={"cores": 3})  # type: ignore[arg-type]
plasm.nonsense  # type: ignore[attr-defined]
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
