"""The world that the tests live in: folders of their own, modules made on the fly, and the command as people run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from world import EXAMPLES, Plasm, plasm_environment


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell makes what it runs in the background deaf to SIGINT, and what that starts, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def plasm_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test's own, for the code under test in this process and in others."""
    home = tmp_path / "home"
    for name in list(os.environ):
        if name.startswith(("PLASM_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PLASM_HOME", str(home))
    return home


@pytest.fixture
def hello() -> Path:
    """A real job: reverses its argument, or its stdin line by line."""
    return EXAMPLES / "hello" / "hello.wasm"


@pytest.fixture
def wasm(tmp_path: Path) -> Callable[..., Path]:
    """Makes a module file from WebAssembly text."""
    import wasmtime

    def make(text: str, name: str = "job.wasm") -> Path:
        path = tmp_path / name
        path.write_bytes(wasmtime.wat2wasm(text))
        return path

    return make


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a third party's plugin: a module and the metadata of its distribution, as pip would lay them down."""
    site = tmp_path / "third-party"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(group: str, name: str, source: str, distribution: str = "plasm-plugin-test") -> None:
        module = f"third_party_{distribution.replace('-', '_')}_{name}"
        (site / f"{module}.py").write_text(source)
        metadata = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        with (metadata / "entry_points.txt").open("a") as points:
            points.write(f"[{group}]\n{name} = {module}\n")

    return install


@pytest.fixture
def plasm() -> Plasm:
    """Runs the command, as in ``plasm("run", module, input=b"…")``."""

    def run(
        *arguments: object, env: Mapping[str, str] | None = None, **settings: object
    ) -> subprocess.CompletedProcess[bytes]:
        settings.setdefault("timeout", 60)
        if "input" not in settings:
            settings.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-m", "plasm", *map(str, arguments)],
            env=plasm_environment(**(env or {})),
            capture_output=True,
            check=False,
            **settings,
        )

    return run
