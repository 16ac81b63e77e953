"""Rows and moments for people."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import typer

from plasm.model.text import printable


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
