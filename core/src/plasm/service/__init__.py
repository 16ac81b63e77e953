"""Plasm as a service of a system: its unit for systemd and the command that starts it, as packages and images ship
them."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

SITE: Final = "usr/lib/plasm/site-packages"
"""Where the modules are, below the root folder."""


def unit() -> str:
    """``plasmd.service``."""
    return (files(__name__) / "plasmd.service").read_text()


def launcher() -> str:
    """``/usr/bin/plasm``, for modules in :data:`SITE`."""
    return (files(__name__) / "plasm").read_text()
