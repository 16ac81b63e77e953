"""Imports run downwards only, and the core knows no plugin."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from attrs import field, frozen

from world import ROOT

# docs/architecture.md and docs/boot.md, from the top; the names of one line stand on one floor.
CORE_FLOORS = (
    {"__main__", "__init__"},
    {"cli"},
    {"testing"},
    {"client", "node"},
    {"control"},
    {"submission"},
    {"streams"},
    {"execution", "mesh"},
    {"jobs"},
    {"receipts", "artifacts"},
    {"plugins"},
    {"hookspecs"},
    {"contracts"},
    {"config", "files", "signatures", "ops", "service"},
    {"model"},
    {"errors", "_lazy"},
)
BOOT_FLOORS = (
    {"__init__"},
    {"cli"},
    {"emulator", "writing"},
    {"building", "provider", "stage1"},
    {"composition", "stage2", "modes"},
    {"linux", "fetching"},
    {"trust"},
    {"cpio", "system", "sources", "settings"},
    {"manifest"},
    {"errors"},
)
PLUGIN_LIBRARIES = {"wasmtime", "wasmer_sdk", "libp2p", "zeroconf", "aioquic", "trio"}


def _levels(floors: Sequence[set[str]]) -> dict[str, int]:
    return {name: level for level, names in enumerate(floors) for name in names}


@frozen
class Package:
    """A package whose parts, its modules and folders, stand on floors."""

    name: str
    source: Path
    level: dict[str, int] = field(converter=_levels)

    def modules(self) -> list[Path]:
        return sorted(self.source.rglob("*.py"))

    def part(self, path: Path) -> str:
        """The part that a file belongs to."""
        return path.relative_to(self.source).parts[0].removesuffix(".py")


CORE = Package("plasm", ROOT / "core" / "src" / "plasm", CORE_FLOORS)
BOOT = Package("plasm_boot", ROOT / "boot" / "src" / "plasm_boot", BOOT_FLOORS)
MODULES = [
    pytest.param(package, path, id=f"{package.name}/{path.relative_to(package.source)}")
    for package in (CORE, BOOT)
    for path in package.modules()
]


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


@pytest.mark.parametrize(("package", "path"), MODULES)
def test_imports_run_downwards(package: Package, path: Path) -> None:
    here = package.part(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == package.name and len(parts) > 1 and parts[1] in package.level and parts[1] != here:
            assert package.level[parts[1]] > package.level[here], f"{here} imports {name}"


@pytest.mark.parametrize("path", CORE.modules(), ids=lambda path: str(path.relative_to(CORE.source)))
def test_the_core_knows_no_plugin(path: Path) -> None:
    for name in imports(path):
        top = name.split(".")[0]
        assert top not in PLUGIN_LIBRARIES, f"the core knows {name}"
        assert not top.startswith("plasm_"), f"the core imports the plugin {name}"


@pytest.mark.parametrize("package", [CORE, BOOT], ids=lambda package: package.name)
def test_every_part_has_a_floor(package: Package) -> None:
    assert {package.part(path) for path in package.modules()} <= set(package.level)
