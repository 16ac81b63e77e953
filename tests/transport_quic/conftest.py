"""Tests of the transport run on trio, as it does; where it is not installed, there are none."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("plasm_transport_quic") else ["test_*.py"]


@pytest.fixture
def anyio_backend() -> str:
    return "trio"
