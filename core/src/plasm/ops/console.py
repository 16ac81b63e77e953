"""What people and scripts see: one JSON document on stdout, or sentences on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any

from plasm.errors import InvalidDocument, PlasmError


def show_json(document: Any) -> None:
    """Print ``document`` as the one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False), file=sys.stdout)


def say(message: str) -> None:
    """Print one line for a person, on stderr, with what a terminal would obey escaped; where that cannot be written,
    the work goes on."""
    from plasm.model.text import printable  # most commands have nothing to say

    with contextlib.suppress(OSError):
        print(f"plasm: {printable(message)}", file=sys.stderr)


def show_error(error: PlasmError, *, as_json: bool) -> int:
    """Tell what went wrong; returns the exit status that goes with it."""
    mistakes, others = (error.mistakes, error.others) if isinstance(error, InvalidDocument) else ((), 0)
    if as_json:
        document: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
        if mistakes:
            document |= {"mistakes": [mistake.as_document() for mistake in mistakes], "others": others}
        try:
            show_json({"error": document})
        except OSError:  # stdout cannot be written, and this may be the very error
            as_json = False
    if not as_json:
        for each in mistakes or (error,):
            say(f"error[{error.code}]: {each}")
        if others:
            say(f"error[{error.code}]: and {others} more")
    if debugging():
        show_trace(error.trace)
    return error.exit_status


def warn(error: PlasmError) -> None:
    """Tell of something that went wrong and ends nothing."""
    say(f"warning[{error.code}]: {error}")
    if debugging():
        show_trace(error.trace)


def debugging() -> bool:
    """Whether tracebacks are to be shown."""
    return bool(os.environ.get("PLASM_DEBUG"))


def show_trace(trace: str) -> None:
    """Show a plugin's author where the plugin went wrong, where that is known.

    Args:
        trace: a traceback, which may be foreign text; each line is escaped.
    """
    if trace:
        from plasm.model.text import printable

        for line in trace.splitlines():
            print(printable(line), file=sys.stderr)
