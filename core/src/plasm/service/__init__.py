"""Plasm as a service of a system: its unit for systemd and the command that starts it, as packages and images ship
them."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

SITE: Final = "usr/lib/plasm/site-packages"
"""Where the modules are, below the root folder."""

LAUNCHER: Final = f"""#!/usr/bin/python3 -IS
# The packages' own modules, then those that the operator of this machine added, and none that belong to others.
import sys

sys.path[:0] = ["/{SITE}", "/usr/local/lib/plasm/site-packages"]

from plasm.__main__ import main  # noqa: E402

main()
"""
"""``/usr/bin/plasm``."""


def unit() -> str:
    """``plasmd.service``."""
    return (files(__name__) / "plasmd.service").read_text()
