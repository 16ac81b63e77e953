"""The world of these tests: the runtime in this process, and the benches that Wasmtime's tests are built with."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from runtime_wasmtime.conftest import run

import plasm_runtime_wasmer as plugin
from plasm.config import Config
from plasm.contracts import Runtime
from plasm.errors import PluginError

__all__ = ["run"]


def _loads() -> str:
    """Why the runtime cannot be had on this machine; empty where it can."""
    if find_spec("wasmer_sdk") is None:
        return "wasmer-sdk is not installed"
    try:
        make(Path("/nonexistent"))
    except PluginError as error:
        return str(error)
    return ""


def make(folder: Path) -> Runtime:
    """A runtime as a worker process makes it, with its folders below ``folder``."""
    return plugin.plasm_runtime(Config.from_environment({"PLASM_HOME": str(folder)}))


REASON = _loads()


@pytest.fixture(autouse=True)
def _wasmer() -> None:
    if REASON:
        pytest.skip(REASON)


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """One for all tests: the SDK keeps a thread for every job that a runtime has run."""
    return make(tmp_path_factory.mktemp("wasmer"))


@pytest.fixture
def fresh(tmp_path: Path) -> Runtime:
    """The runtime of another process."""
    return make(tmp_path)
