"""The world of these tests: the runtime in this process, and the benches that Wasmtime's tests are built with."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import NoReturn

import pytest
from runtime_wasmtime.conftest import run

from plasm.config import Config
from plasm.contracts import Runtime
from plasm.errors import PluginError

__all__ = ["run"]


def make(folder: Path) -> Runtime:
    """A runtime as a worker process makes it, with its folders below ``folder``."""
    plugin = import_module("plasm_runtime_wasmer")
    made: Runtime = plugin.plasm_runtime(Config.from_environment({"PLASM_HOME": str(folder)}))
    return made


def _missing() -> str:
    """Why the runtime cannot be had on this machine; empty where it can."""
    try:
        make(Path("/nonexistent"))
    except (ImportError, PluginError) as error:
        return str(error)
    return ""


MISSING = _missing()


class Skipped(pytest.Module):
    """A module of tests that cannot even be imported."""

    def collect(self) -> NoReturn:
        pytest.skip(MISSING, allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return Skipped.from_parent(parent, path=module_path) if MISSING else None


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """One for all tests: the SDK keeps a thread for every job that a runtime has run."""
    return make(tmp_path_factory.mktemp("wasmer"))


@pytest.fixture
def fresh(tmp_path: Path) -> Runtime:
    """The runtime of another process."""
    return make(tmp_path)
