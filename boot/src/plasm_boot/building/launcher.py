"""Scripts that run one of our modules with the image's Python, and nothing of what is around them."""

from __future__ import annotations

from plasm_boot.building.contents import Entry, file
from plasm_boot.building.wheels import SITE

_TEXT = """#!/usr/bin/python3 -IS
import runpy
import sys

sys.path.insert(0, "/{site}")
runpy.run_module("{module}", run_name="__main__", alter_sys=True)
"""


def launcher(module: str) -> Entry:
    """A program that runs ``module``; the kernel takes it for ``/init``, too."""
    return file(_TEXT.format(site=SITE, module=module), 0o755)
