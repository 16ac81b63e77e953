"""The world of these tests: executors with a cache of their own, jobs, and a runtime that does what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plasm import Invocation, Job, Limits, Manifest, Mount, Preopen, read_module
from plasm.artifacts.cache import ArtifactCache
from plasm.execution.parent.executor import Executor
from world import Wasm

ENDLESS = Limits(output=2**40, wall_time=3_600_000)

Start = Callable[..., Executor]
MakeJob = Callable[..., Job]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    return lambda runtime, **settings: Executor(runtime, ArtifactCache(tmp_path / "artifacts"), **settings)


@pytest.fixture
def executor(start: Start) -> Iterator[Executor]:
    with start("wasmtime") as executor:
        yield executor


@pytest.fixture
def job(wasm: Wasm) -> MakeJob:
    def make(
        module: str | Path, *args: str, limits: Limits | None = None, folders: tuple[Preopen, ...] = (), **manifest: int
    ) -> Job:
        loaded = read_module(module if isinstance(module, Path) else wasm(module))
        invocation = Invocation(args, mounts=[folder.mount for folder in folders])
        return Job(Manifest(loaded.digest, invocation, limits or Limits(), **manifest), loaded, folders)

    return make


def folder(path: Path, guest: str = "/data", *, read_only: bool = False) -> Preopen:
    return Preopen(str(path), Mount(guest, read_only))


LAX_RUNTIME = """
from plasm.contracts.runtime import Execution
from plasm.hookspecs import hookimpl
from plasm.model import Feature, Outcome

PLASM_HOOK_API = 1

class Lax:
    name, version, enforces, provides = "lax", "1", frozenset(), frozenset(Feature)
    def artifact_key(self, terms): return "key"
    def compile(self, module, terms): return module
    def dump(self, compiled): return compiled
    def load(self, artifact, terms): return artifact
    def execute(self, compiled, call, terms): return Execution(Outcome.exited(9))
    def interrupt(self): pass

@hookimpl
def plasm_runtime(config): return Lax()
"""
"""A third party's runtime that enforces nothing and exits with 9."""


def doing(statements: str) -> str:
    """A lax runtime that executes these statements as its job; ``call`` is what the job was called with."""
    body = "\n        ".join(["import os", *statements.strip().splitlines()])
    return LAX_RUNTIME.replace("terms): return Execution(", f"terms):\n        {body}\n        return Execution(")
