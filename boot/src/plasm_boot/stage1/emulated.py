"""What the emulator of an emulated machine says to stage 1: where to look, as on the kernel's command line.

https://www.qemu.org/docs/master/specs/fw_cfg.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from plasm_boot.linux import modules
from plasm_boot.settings import EMULATOR_ARGUMENTS

_FILE: Final = Path("/sys/firmware/qemu_fw_cfg/by_name") / EMULATOR_ARGUMENTS / "raw"
_MAX_BYTES: Final = 2048


def arguments() -> str:
    """The text of it; empty where nothing is said, and on machines that are real."""
    modules.load(["qemu_fw_cfg"])
    try:
        with _FILE.open("rb") as file:
            return file.read(_MAX_BYTES).decode("ascii", "replace")
    except OSError:
        return ""
