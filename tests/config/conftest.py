"""Configuration files of the test's own, in place of the machine's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plasm.config import sources


@pytest.fixture(autouse=True)
def system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "etc" / "plasm" / "config.toml"
    monkeypatch.setattr(sources, "SYSTEM_FILE", path)
    return path


@pytest.fixture
def user_file(plasm_home: Path) -> Path:
    return plasm_home / "config" / "config.toml"


@pytest.fixture
def write() -> Callable[[Path, str], Path]:
    def write(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        return path

    return write
