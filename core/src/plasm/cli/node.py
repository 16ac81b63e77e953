"""Asking the node that runs on this machine; what ``status``, ``jobs``, ``receipts`` and ``drain`` have in common."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

import typer

from plasm.cli.console import printable
from plasm.client.control import ControlClient
from plasm.config import Config
from plasm.control import SOCKET_NAME


def node() -> ControlClient:
    """A connection to the node of this user, or else to the system's.

    Raises:
        NodeNotRunning: there is none.
    """
    return ControlClient(Config.from_environment(os.environ).runtime_dir / SOCKET_NAME)


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
