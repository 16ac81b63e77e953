"""Each way in which booting can fail has a code that is documented."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("plasm_boot")

from plasm.errors import PlasmError
from plasm_boot import errors
from world import ROOT


def test_every_error_code_is_documented_with_its_exit_status() -> None:
    documented = dict(
        re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    )
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PlasmError)]
    codes = {kind.code: str(int(kind.exit_status)) for kind in kinds if kind.__module__ == errors.__name__}
    assert {code: documented.get(code) for code in codes} == codes
