"""Whoever uses a private name of a library is bound to the release of it that was read."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from world import ROOT

DISTRIBUTIONS = [ROOT / "core", ROOT / "boot", *sorted(ROOT.glob("plugins/*"))]
USED = {
    "discovery_dht": {"libp2p"},
    "runtime_wasmer": {"wasmer-sdk"},
    "runtime_wasmtime": {"wasmtime"},
    "transport_quic": {"aioquic", "libp2p"},
    "boot": {"hypercorn", "tuf"},
}
"""What is known to be used: imports and overridden methods are found by this test, what is read or set is not."""


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_foreign(module: str) -> bool:
    top = module.partition(".")[0]
    return top not in sys.stdlib_module_names and not top.startswith("plasm")


def imported(path: Path) -> Iterator[str]:
    """The modules of others of which a file imports something private."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        for name in names:
            whole = f"{node.module}.{name}" if isinstance(node, ast.ImportFrom) else name  # type: ignore[union-attr]
            if _is_foreign(whole) and any(map(_is_private, whole.split("."))) and not whole.startswith("_"):
                yield whole


def overridden(package: str) -> Iterator[str]:
    """The modules of others in whose classes a package overrides something private."""
    for found in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        if found.name.endswith("__main__"):
            continue
        module = import_module(found.name)
        for one in vars(module).values():
            if inspect.isclass(one) and one.__module__ == found.name:
                for base in filter(lambda base: _is_foreign(base.__module__), one.__mro__):
                    if any(_is_private(name) and callable(vars(one)[name]) for name in vars(one).keys() & vars(base)):
                        yield base.__module__


@pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda folder: folder.name)
def test_a_library_whose_private_names_are_used_is_pinned(folder: Path) -> None:
    (package,) = (path.name for path in (folder / "src").glob("plasm*") if path.is_dir())
    modules = {*overridden(package), *(each for path in (folder / "src").rglob("*.py") for each in imported(path))}
    providers = packages_distributions()
    found = {canonicalize_name(providers[module.partition(".")[0]][0]) for module in modules}
    used = found | USED.get(folder.name, set())
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    requirements = {canonicalize_name(each.name): each for each in map(Requirement, project["dependencies"])}
    for library in used:
        specifiers = list(requirements[library].specifier)
        assert [each.operator for each in specifiers] == ["=="], f"{folder.name} is not bound to one {library}"
    assert found <= USED.get(folder.name, set()), f"{folder.name} uses what is private to {found}: why, and where?"
