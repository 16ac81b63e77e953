"""What the tests of plugins share: the command where third parties' plugins are installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from world import Plasm

Install = Callable[..., None]
Tried = Callable[[], dict[str, dict[str, str]]]

EXTENSION = "from plasm.hookspecs import hookimpl\nPLASM_HOOK_API = 1\n"


@pytest.fixture
def third_party(tmp_path: Path) -> dict[str, str]:
    """The variables of a process for which the plugins of this test are installed."""
    return {"PYTHONPATH": str(tmp_path / "third-party")}


@pytest.fixture
def command(plasm: Plasm, third_party: dict[str, str]) -> Plasm:
    """The command for which they are installed."""
    return lambda *arguments, env=None, **more: plasm(*arguments, env={**third_party, **(env or {})}, **more)


@pytest.fixture
def tried(command: Plasm) -> Tried:
    """What ``plasm plugins --load`` says of each plugin, by its name."""

    def rows() -> dict[str, dict[str, str]]:
        return {row["name"]: row for row in json.loads(command("plugins", "--load", "--json").stdout)}

    return rows
