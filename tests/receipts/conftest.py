"""The world of these tests: the vectors, and one receipt of each version signed by a known key."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from plasm.receipts import LegacyReceipt, Receipt, issue, issue_legacy

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """``tests/vectors/make.py`` as a module."""
    spec = importlib.util.spec_from_file_location("receipt_vectors", VECTORS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def vectors(name: str) -> list[Any]:
    document = json.loads((VECTORS / "receipts" / name).read_text("utf-8"))
    return [pytest.param(vector, id=vector.get("name")) for vector in document]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``legacy_vector`` runs once for each vector in ``legacy.json``, and so on."""
    for name in ("peer_id", "pae", "manifest", "receipt", "legacy", "invalid"):
        if f"{name}_vector" in metafunc.fixturenames:
            plural = name if name in {"pae", "legacy", "invalid"} else f"{name}s"
            metafunc.parametrize(f"{name}_vector", vectors(f"{plural}.json"))


@pytest.fixture
def signer(make: ModuleType) -> Any:
    return make.SIGNER


@pytest.fixture
def other_signer(make: ModuleType) -> Any:
    return make.OTHER


@pytest.fixture
def receipt(make: ModuleType) -> Receipt:
    plain = make.receipts()["exited"]
    assert isinstance(plain, Receipt)
    return plain


@pytest.fixture
def receipt_bytes(receipt: Receipt, signer: Any) -> bytes:
    return issue(receipt, signer).to_json()


@pytest.fixture
def legacy_bytes(receipt: Receipt, signer: Any) -> bytes:
    return issue_legacy(LegacyReceipt.of(receipt), signer)
