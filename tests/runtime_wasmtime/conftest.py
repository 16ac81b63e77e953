"""The world of these tests: the runtime as a worker process holds it, and jobs whose output is read as it comes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import plasm_runtime_wasmtime as plugin
from plasm.contracts import Call, Execution, Runtime, Terms
from plasm.model import Determinism, Invocation, Limits, Mount, Outcome, Preopen


class Finished(NamedTuple):
    """A job's end and what it wrote."""

    execution: Execution
    stdout: bytes
    stderr: bytes

    @property
    def outcome(self) -> Outcome:
        return self.execution.outcome


Run = Callable[..., Finished]


@pytest.fixture
def runtime() -> Runtime:
    return plugin.plasm_runtime(None)  # type: ignore[arg-type]


@pytest.fixture
def run(runtime: Runtime) -> Run:
    """Compiles and runs a module; ``on_output`` hears of what it writes while it runs."""

    def run(
        module: bytes,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdin: bytes | int | None = None,
        folders: Sequence[Preopen] = (),
        on_output: Callable[[bytes], Any] | None = None,
        determinism: Determinism | None = None,
        **limits: int,
    ) -> Finished:
        terms = Terms(Limits(**limits), determinism)
        compiled = runtime.compile(module, terms)
        with ExitStack() as stack:
            stdout, stderr = Reader(on_output), Reader(on_output)
            if isinstance(stdin, bytes):
                stdin = stack.enter_context(Given(stdin)).read_end
            call = Call(
                Invocation(arguments, env or {}, [folder.mount for folder in folders]),
                stdout.write_end,
                stderr.write_end,
                stdin,
                tuple(folders),
            )
            try:
                execution = runtime.execute(compiled, call, terms)
            finally:
                stdout.close()
                stderr.close()
        return Finished(execution, stdout.data, stderr.data)

    return run


class Reader:
    """Reads the other end of a pipe until everybody has closed it."""

    def __init__(self, on_output: Callable[[bytes], Any] | None) -> None:
        self.data = b""
        self._read_end, self.write_end = os.pipe()
        self._on_output = on_output
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        os.close(self.write_end)
        self._thread.join()
        os.close(self._read_end)

    def _read(self) -> None:
        while data := os.read(self._read_end, 65536):
            self.data += data
            if self._on_output is not None:
                self._on_output(data)


class Given:
    """A pipe into which a thread writes all of ``data``."""

    def __init__(self, data: bytes) -> None:
        self.read_end, write_end = os.pipe()
        self._thread = threading.Thread(target=self._write, args=(write_end, data))

    def __enter__(self) -> Given:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.read_end)
        self._thread.join()

    @staticmethod
    def _write(end: int, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(end, view) :]
        except BrokenPipeError:
            pass
        finally:
            os.close(end)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the host's with something of everything in it."""
    root = tmp_path / "shared"
    root.mkdir()
    (root / "file").write_text("content")
    (root / "empty").mkdir()
    (root / "link").symlink_to("file")
    (tmp_path / "secret").write_text("secret")
    return root


@pytest.fixture
def read_only(folder: Path) -> Preopen:
    return Preopen(str(folder), Mount("/data", read_only=True))


@pytest.fixture
def writable(folder: Path) -> Preopen:
    return Preopen(str(folder), Mount("/data"))
