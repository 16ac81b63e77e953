"""What the tests of Phase Boot share: systems that were built for this test run."""

from __future__ import annotations

import faulthandler
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def built_systems(testrun_uid: str) -> Path:
    """A folder with the systems of the modes internet, local and private."""
    pytest.importorskip("plasm_boot")
    from boot import built

    if reason := built.reason_not_to():
        pytest.skip(reason)
    # Building takes longer than tests may that could hang.
    faulthandler.cancel_dump_traceback_later()
    return built.systems(testrun_uid)
