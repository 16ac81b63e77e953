"""What the tests of SDKs need, and whether this machine has it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from world import ROOT

SDK = ROOT / "sdk" / "php"

Php = Callable[..., "subprocess.CompletedProcess[str]"]


def needs(*commands: str) -> None:
    """Skip the test, with the reason, where PHP is not fit for the SDK or a command is missing."""
    for command in ("php", *commands):
        if shutil.which(command) is None:
            pytest.skip(f"there is no {command} (make test installs it where it may)")
    lacks = "exit(PHP_VERSION_ID < 80200 ? 2 : (extension_loaded('sodium') ? 0 : 3));"
    reason = {2: "PHP is older than 8.2", 3: "PHP has no extension sodium"}
    status = subprocess.run(["php", "-r", lacks], check=False, stdin=subprocess.DEVNULL).returncode
    if status:
        pytest.skip(reason.get(status, f"php ends with status {status}"))
