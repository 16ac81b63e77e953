"""Wasmer fulfils the contract of a runtime."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from plasm.testing import RuntimeContract

if find_spec("plasm_runtime_wasmer") is None:
    pytest.skip("plasm-plugin-runtime-wasmer is not installed", allow_module_level=True)


class TestWasmer(RuntimeContract):
    runtime = "wasmer"
