"""Wasmtime fulfils the contract of a runtime."""

from __future__ import annotations

from plasm.testing import RuntimeContract


class TestWasmtime(RuntimeContract):
    runtime = "wasmtime"
