"""Network namespaces for tests: hosts and cables of their own, from which nothing reaches the real network."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def apart(*tools: str) -> list[str]:
    """The command that gives another one a network of its own; skips the test where there is none, or a tool."""
    for tool in ("unshare", "ip", *tools):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    for way in (["unshare", "--user", "--map-root-user", "--net"], ["unshare", "--net"]):
        done = subprocess.run([*way, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return way
    pytest.skip(f"this user may make no network namespaces: {done.stderr.strip()}")
