"""The world of these tests: a configuration whose data folder is new and empty."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import plasm_signing_ed25519 as plugin
from plasm.config import Config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.from_environment({"PLASM_HOME": str(tmp_path / "home")})


@pytest.fixture
def key_path(config: Config) -> Path:
    return config.data_dir / "identity" / "ed25519.pem"


@pytest.fixture
def put_key(key_path: Path) -> Callable[..., None]:
    """Puts bytes where the key belongs."""

    def put(content: bytes, mode: int = 0o600) -> None:
        key_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key_path.write_bytes(content)
        key_path.chmod(mode)

    return put


@pytest.fixture
def kept(key_path: Path) -> Callable[[], dict[str, bytes]]:
    """Every file of the identity folder with its content."""
    return lambda: {path.name: path.read_bytes() for path in key_path.parent.iterdir()}


@pytest.fixture
def umask_0() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def create(config: Config) -> Callable[..., Any]:
    return lambda replace=False: plugin.plasm_create_identity(config, replace)
