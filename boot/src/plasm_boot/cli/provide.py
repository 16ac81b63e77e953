"""``plasm provide``: serve a repository to machines that boot."""

from __future__ import annotations

import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False)
