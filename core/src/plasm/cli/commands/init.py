"""``plasm init``: a configuration file to begin with."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from plasm.config import sources
from plasm.config.reference import default_file
from plasm.errors import UnwritableOutput
from plasm.files import PendingFile
from plasm.ops.console import say

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm init
  sudo plasm init --system
"""


@app.command(epilog=_EXAMPLES)
def init(
    system: Annotated[bool, typer.Option("--system", help=f"Write {sources.SYSTEM_FILE}, for all users.")] = False,
) -> None:
    """Write a commented configuration file that changes nothing yet.  One that is there is left alone."""
    path = _path(system=system)
    # The file holds no secret, and other users' commands must be able to read the system's.
    former = os.umask(0o022)
    try:
        path.parent.mkdir(mode=0o755 if system else 0o700, parents=True, exist_ok=True)
        with PendingFile(path, mode=0o644) as pending:
            pending.commit(default_file().encode(), replace=False)
    except OSError as error:
        if path.is_file():
            raise UnwritableOutput(f"{path} is there already", hint=f"see: plasm config check {path}") from None
        hint = "run it as root" if system else "set XDG_CONFIG_HOME or PLASM_HOME"
        raise UnwritableOutput(f"{path} cannot be written: {error.strerror}", hint=hint) from None
    finally:
        os.umask(former)
    say(f"wrote {path}")


def _path(*, system: bool) -> Path:
    if system:
        return sources.SYSTEM_FILE
    if named := os.environ.get("PLASM_CONFIG"):
        return Path(named).absolute()
    return sources.config_folder(os.environ) / "config.toml"
