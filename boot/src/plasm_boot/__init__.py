"""Phase Boot: machines that start, find a provider, fetch and verify a system, and join as nodes.

This module is the plugin: it adds ``plasm boot`` and ``plasm provide``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plasm.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer

PLASM_HOOK_API = 1


@hookimpl
def plasm_cli(app: typer.Typer) -> None:
    """Add the commands."""
    from plasm_boot.cli import add_commands

    add_commands(app)
