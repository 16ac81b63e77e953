"""Words that come from a module or from the engine, made fit for a person's terminal."""

from __future__ import annotations

import re

_LONGEST = 200
_CAUSE_NUMBER = re.compile(r"^\d+: ")


def printable(text: str) -> str:
    """``text`` on one line, control characters escaped, cut where it gets too long."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


def root_cause(message: str) -> str:
    """The innermost of an engine's nested causes, the one that says what was wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return printable(_CAUSE_NUMBER.sub("", lines[-1])) if lines else "no reason was given"
