"""Imports run downwards only, and the core knows no plugin."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from world import ROOT

SOURCE = ROOT / "core" / "src" / "plasm"

# docs/architecture.md, from the top; the names of one line stand on one floor.
FLOORS = [
    {"__main__", "__init__"},
    {"cli"},
    {"testing"},
    {"client", "node"},
    {"submission"},
    {"streams"},
    {"execution", "mesh"},
    {"receipts", "artifacts"},
    {"plugins"},
    {"hookspecs"},
    {"contracts"},
    {"config", "files", "signatures", "concurrency", "node_lock", "control"},
    {"model"},
    {"errors", "_lazy"},
]
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
PLUGIN_LIBRARIES = {"wasmtime", "wasmer_sdk", "libp2p", "zeroconf", "aioquic", "trio"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def part(path: Path) -> str:
    """The part of the core that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports when it runs; what it imports for types only is left out."""
    tree = ast.parse(path.read_text())
    for block in [node for node in ast.walk(tree) if isinstance(node, ast.If)]:
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING":
            block.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_downwards(path: Path) -> None:
    here = part(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "plasm" and len(parts) > 1 and parts[1] in LEVEL and parts[1] != here:
            assert LEVEL[parts[1]] > LEVEL[here], f"{here} imports {name}"
        assert parts[0] not in PLUGIN_LIBRARIES, f"the core knows {name}"
        assert not parts[0].startswith("plasm_"), f"the core imports the plugin {name}"


def test_every_part_of_the_core_has_a_floor() -> None:
    assert {part(path) for path in modules()} <= set(LEVEL)
