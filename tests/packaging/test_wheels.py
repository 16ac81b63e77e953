"""What is published works: every distribution as a wheel, installed into an empty environment, runs a job."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from world import EXAMPLES, ROOT

UV = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".venv" / "bin"))

pytestmark = pytest.mark.skipif(UV is None, reason="uv, which builds and installs, is not here")

DISTRIBUTIONS = [
    path.parent for path in (ROOT / "core" / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml")))
]


def uv(*arguments: object) -> None:
    done = subprocess.run([str(UV), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A wheel of every distribution, built from a copy so that nothing of the work tree can leak in."""
    folder = tmp_path_factory.mktemp("wheels")
    for distribution in DISTRIBUTIONS:
        source = folder / "src" / distribution.name
        shutil.copytree(distribution, source, ignore=shutil.ignore_patterns("__pycache__"))
        uv("build", "--wheel", "--quiet", "--python", sys.executable, "--out-dir", folder, source)
    return sorted(folder.glob("*.whl"))


def test_every_distribution_builds_a_wheel_with_types_and_metadata(wheels: list[Path]) -> None:
    assert len(wheels) == len(DISTRIBUTIONS)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
            text = archive.read(metadata).decode()
        assert any(name.endswith("/py.typed") for name in names), wheel.name
        assert "License-Expression: Apache-2.0" in text
        assert "Description-Content-Type: text/markdown" in text


def test_the_guests_of_the_contract_kits_are_in_the_core_wheel(wheels: list[Path]) -> None:
    source = ROOT / "core" / "src"
    guests = {str(path.relative_to(source)) for path in (source / "plasm" / "testing" / "guests").rglob("*.wasm")}
    (core,) = [wheel for wheel in wheels if wheel.name.startswith("plasm-")]
    with zipfile.ZipFile(core) as archive:
        packed = {name for name in archive.namelist() if name.endswith(".wasm")}
    assert packed == guests
    assert len(guests) > 20


def test_versions_agree() -> None:
    versions = {tomllib.loads((path / "pyproject.toml").read_text())["project"]["version"] for path in DISTRIBUTIONS}
    import plasm

    assert versions == {plasm.__version__}


def test_core_and_one_plugin_of_a_kind_run_a_job_in_an_empty_environment(wheels: list[Path], tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    uv("venv", "--quiet", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt", *wheels)
    variables = {"PATH": os.environ["PATH"], "PLASM_HOME": str(tmp_path / "home")}
    receipt = tmp_path / "receipt.json"

    def plasm(*arguments: object) -> bytes:
        command = [str(environment / "bin" / "plasm"), *map(str, arguments)]
        done = subprocess.run(
            command, env=variables, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    hello = EXAMPLES / "hello" / "hello.wasm"
    assert plasm("run", hello, "Hello, World", "--receipt", receipt) == b"dlroW ,olleH\n"
    peer_id = plasm("identity").decode().strip()
    assert b"signer: matches" in plasm("verify", receipt, "--module", hello, "--signer", peer_id)
