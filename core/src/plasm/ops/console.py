"""What people and scripts see: one JSON document on stdout, or sentences on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from plasm.errors import PlasmError


def show_json(document: Any) -> None:
    """Print ``document`` as the one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False), file=sys.stdout)


def say(message: str) -> None:
    """Print one line for a person, on stderr."""
    print(f"plasm: {printable(message)}", file=sys.stderr)


def show_error(error: PlasmError, *, as_json: bool) -> int:
    """Tell what went wrong; returns the exit status that goes with it."""
    if as_json:
        show_json({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
    else:
        say(f"error[{error.code}]: {error}")
    return error.exit_status


def printable(text: str) -> str:
    """``text`` with control characters and undecodable bytes escaped: names of files and plugins are not ours, and
    a terminal obeys what it is shown."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in text)
