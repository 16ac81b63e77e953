"""What the documentation shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from plasm import errors
from plasm.errors import PlasmError
from world import ROOT, Plasm

README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"dlroW ,olleH\n exited with code 0 on 12D3KooW\w{44}\n", done.stdout), done.stdout


def test_the_readme_names_the_two_commands_and_every_distribution() -> None:
    assert "make demo" in README
    assert "make test" in README
    for project in ROOT.glob("*/pyproject.toml"), ROOT.glob("plugins/*/pyproject.toml"):
        for path in project:
            assert tomllib.loads(path.read_text())["project"]["name"] in README


def test_links_in_the_documentation_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/*/README.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_the_example_manifest_in_the_documentation_works(plasm: Plasm, tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "manifest.md").read_text(), re.DOTALL)
    manifest = tmp_path / "job.toml"
    manifest.write_text(re.sub(r"module = .*\n", "", example))
    module = ROOT / "examples" / "csvstats" / "csvstats.wasm"
    done = plasm("run", module, "--manifest", manifest, "--dir", f"{tmp_path}:/data:ro", input=b"price\n1\n3\n")
    assert done.returncode == 0, done.stderr
    assert b"price" in done.stdout


def test_every_error_code_is_documented_with_its_exit_status() -> None:
    documented = dict(
        re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    )
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PlasmError)]
    codes = {kind.code: str(int(kind.exit_status)) for kind in classes if kind is not PlasmError}
    assert {code: status for code, status in documented.items() if code in codes} == codes
