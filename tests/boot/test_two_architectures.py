"""Jobs between this machine and an arm64 one, as examples/two-architectures.sh sends them."""

from __future__ import annotations

import base64
import faulthandler
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from boot import built
from plasm_boot.building import builder, emulation
from plasm_boot.building.architectures import architecture
from plasm_boot.building.run import find
from world import ROOT

pytestmark = pytest.mark.slow

DEMO = ROOT / "examples" / "two-architectures.sh"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the demo ran to its end."""
    programs = (*builder.TOOLS, *emulation.tools(architecture("aarch64")), "qemu-system-aarch64")
    missing = [program for program in programs if find(program) is None]
    if os.uname().machine != "x86_64" or missing:
        pytest.skip(f"needs x86_64 and {', '.join(missing) or 'nothing else'}; make test-slow installs it where it may")
    faulthandler.cancel_dump_traceback_later()
    folder = tmp_path_factory.mktemp("demo")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = built.environment(PLASM_DEMO_PORT=str(_free_port()), PATH=path)
    done = subprocess.run([DEMO, folder], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("job", ["hello", "csvstats"])
def test_the_same_module_gives_the_same_output_on_both(demo: Path, job: str) -> None:
    outputs = [(demo / f"{job}.{arch}.out").read_bytes() for arch in ("x86_64", "aarch64")]
    assert outputs[0]
    assert outputs[0] == outputs[1]
    ours, theirs = (_statement(demo / f"{job}.{arch}.json") for arch in ("x86_64", "aarch64"))
    assert (_architecture(ours), _architecture(theirs)) == ("x86_64", "aarch64")
    assert ours["subject"] == theirs["subject"]


def test_the_arm64_machine_has_its_job_done_here(demo: Path) -> None:
    assert (demo / "back.out").read_text() == "46mra morf\n"
    assert _architecture(_statement(demo / "back.json")) == "x86_64"


def _statement(receipt: Path) -> dict[str, object]:
    statement: dict[str, object] = json.loads(base64.b64decode(json.loads(receipt.read_text())["payload"]))
    return statement


def _architecture(statement: dict[str, object]) -> object:
    predicate = statement["predicate"]
    assert isinstance(predicate, dict)
    return predicate["platform"]["arch"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
