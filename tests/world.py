"""Where the tests find things, and the environment in which they run the command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"

Plasm = Callable[..., "subprocess.CompletedProcess[bytes]"]
Wasm = Callable[..., Path]

# What a person's terminal gives to a command, less everything that would lead to this person's own files.
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR")


def plasm_environment(**more: str) -> dict[str, str]:
    """The environment for a command that belongs to the present test."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "PLASM_HOME": os.environ["PLASM_HOME"], **more}
