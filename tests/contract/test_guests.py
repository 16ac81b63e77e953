"""The committed guests are what their sources give, and are few and small enough to be committed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import wasmtime

from world import ROOT

GUESTS = ROOT / "core" / "src" / "plasm" / "testing" / "guests"
SOURCES = sorted(GUESTS.rglob("*.wat"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_guest_in_text_is_what_its_source_gives(source: Path) -> None:
    assert source.with_suffix(".wasm").read_bytes() == wasmtime.wat2wasm(source.read_text()), "run: make guests"


def test_every_guest_has_its_source() -> None:
    sources = {path.with_suffix(".wasm") for path in (*SOURCES, *GUESTS.glob("*.c"))}
    assert set(GUESTS.rglob("*.wasm")) == sources


def test_the_compiler_of_the_guests_is_an_exact_one() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert all("==" in requirement for requirement in groups["examples"])


def test_guests_are_small() -> None:
    assert all(path.stat().st_size < 30_000 for path in GUESTS.rglob("*.wasm"))
