"""``plasm boot`` and ``plasm provide``; each command is a module here, imported when it is typed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from plasm_boot.cli import provide

COMMANDS = {
    "keys": "plasm_boot.cli.keys",
    "build": "plasm_boot.cli.build",
    "image": "plasm_boot.cli.image",
    "publish": "plasm_boot.cli.publish",
    "refresh": "plasm_boot.cli.refresh",
    "verify": "plasm_boot.cli.verify",
    "fetch": "plasm_boot.cli.fetch",
    "run": "plasm_boot.cli.run",
    "write": "plasm_boot.cli.write",
}

EXAMPLES = """\b
Examples, from keys to a machine that has booted:
  plasm boot keys init keys/
  plasm boot build --mode local --root keys/root.json build/
  plasm boot publish build/ --repo repo/ --keys keys/ --channel stable
  plasm provide repo/
  plasm boot run build/image.qcow2
"""


class _Commands(TyperGroup):
    """The commands of :data:`COMMANDS`, each imported when it is asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(COMMANDS[cmd_name]).app)
        command.name = cmd_name
        return command


def add_commands(app: typer.Typer) -> None:
    """Add ``boot`` and ``provide`` to ``app``."""
    boot = typer.Typer(cls=_Commands, rich_markup_mode=None, add_completion=False, no_args_is_help=True)
    boot.callback(epilog=EXAMPLES)(_boot)
    app.add_typer(boot, name="boot")
    app.add_typer(provide.app)


def _boot() -> None:
    """Build, publish, verify and run systems that machines boot into."""
