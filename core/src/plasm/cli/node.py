"""Asking the node that runs on this machine; what ``status``, ``jobs``, ``receipts`` and ``drain`` have in common."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import typer

from plasm.cli.console import printable
from plasm.client.control import ControlClient
from plasm.config import Config
from plasm.control import SOCKET_NAME
from plasm.errors import NodeNotRunning
from plasm.node_lock import node_runs

SYSTEM_SOCKET: Final = Path("/run/plasm") / SOCKET_NAME


def node() -> ControlClient:
    """A connection to the node of this user, or else to the system's, which lets root and its own user in.  Who set
    ``PLASM_HOME`` means the node that has its folders there, and no other.

    Raises:
        NodeNotRunning: there is none.
    """
    own = Config.from_environment(os.environ).runtime_dir / SOCKET_NAME
    try:
        return ControlClient(own)
    except NodeNotRunning:
        if os.environ.get("PLASM_HOME"):
            raise
    return ControlClient(SYSTEM_SOCKET)


def node_serves_us(config: Config) -> bool:
    """Whether a node of this user's is running on this machine, or one of the system's that lets this user in."""
    if node_runs(config.state_dir):
        return True
    return not os.environ.get("PLASM_HOME") and os.access(SYSTEM_SOCKET, os.W_OK)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their headings, in columns."""
    table = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo(printable("  ".join(cells).rstrip()))


def moment(microseconds: int | None) -> str:
    """A moment in UTC, for people."""
    if microseconds is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(microseconds // 10**6))
