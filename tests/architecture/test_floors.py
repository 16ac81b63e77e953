"""Imports run downwards only, the core knows no plugin, and other distributions keep to what the core documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import pytest
from attrs import field, frozen

from world import ROOT

# docs/architecture.md and docs/boot.md, from the top; the names of one line stand on one floor.
CORE_FLOORS = (
    {"__main__", "__init__"},
    {"cli"},
    {"testing"},
    {"api"},
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
OTHERS = {path.name: path for path in (BOOT.source, *sorted(ROOT.glob("plugins/*/src/plasm_*")))}
"""The packages of every distribution beside the core, by name."""
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


def test_a_worker_and_its_parent_share_their_frames_and_nothing_else() -> None:
    sides = {"parent": "plasm.execution.worker", "worker": "plasm.execution.parent"}
    forked = {("spawn.py", "plasm.execution.worker.main"), ("spawn.py", "plasm.execution.worker.main.main")}
    execution = CORE.source / "execution"
    for path in execution.rglob("*.py"):
        side = path.relative_to(execution).parts[0]
        strange = (sides[side],) if side in sides else tuple(sides.values())
        found = {(path.name, name) for name in imports(path) if name.startswith(strange)}
        assert found <= forked, f"{side} imports {found}"


@pytest.mark.parametrize("package", [CORE, BOOT], ids=lambda package: package.name)
def test_every_part_has_a_floor(package: Package) -> None:
    assert {package.part(path) for path in package.modules()} <= set(package.level)


def documented_surface() -> dict[str, frozenset[str]]:
    """The modules that docs/plugins.md lets other distributions import, and the names in them; none for all."""
    page = (ROOT / "docs" / "plugins.md").read_text()
    section = page.partition("## What you may import")[2].partition("\n## ")[0]
    rows = [row.split("|")[1:3] for row in section.splitlines() if row.startswith("| `")]
    return {module: frozenset(_quoted(names)) for modules, names in rows for module in _quoted(modules)}


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def imported_from_core(path: Path) -> Iterator[tuple[str, str | None]]:
    """What a file imports of the core, for types too: the module, and the name in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.split(".")[0] == CORE.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == CORE.name:
            assert node.module
            for alias in node.names:
                is_module = (CORE.source.joinpath(*node.module.split(".")[1:]) / f"{alias.name}.py").exists()
                whole = f"{node.module}.{alias.name}"
                yield (whole, None) if is_module or whole in SURFACE else (node.module, alias.name)


SURFACE = documented_surface()


def test_the_documented_surface_is_there() -> None:
    for module, names in SURFACE.items():
        imported = import_module(module)
        for name in names:
            assert getattr(imported, name) is not None


@pytest.mark.parametrize(
    "path",
    [path for source in OTHERS.values() for path in sorted(source.rglob("*.py"))],
    ids=lambda path: str(path.relative_to(path.parents[len(path.parts) - path.parts.index("src") - 2])),
)
def test_other_distributions_keep_to_the_documented_surface(path: Path) -> None:
    for module, name in imported_from_core(path):
        assert module in SURFACE, f"{path.name} imports {module}, which docs/plugins.md does not list"
        names = SURFACE[module]
        assert name is None or not name.startswith("_"), f"{path.name} imports {name} of {module}"
        assert name is None or not names or name in names, f"docs/plugins.md does not list {name} of {module}"


@pytest.mark.parametrize("package", OTHERS)
def test_no_distribution_knows_another(package: str) -> None:
    for path in OTHERS[package].rglob("*.py"):
        for name in imports(path):
            top = name.split(".")[0]
            assert top == package or not top.startswith("plasm_"), f"{path.name} imports {name}"


def test_submission_executes_nothing() -> None:
    """A client that only hands jobs to peers loads nothing that runs them."""
    reached, waiting = set[str](), {"plasm.submission.submitter", "plasm.submission.exchange", "plasm.client.node"}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        path = CORE.source.joinpath(*name.split(".")[1:])
        found = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if found.exists():
            waiting |= {each for each in imports(found) if each.startswith("plasm.")} - reached
    assert not {name for name in reached if name.startswith("plasm.execution")}
