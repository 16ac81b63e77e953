"""Text from elsewhere, made fit to be shown.  Imports nothing, so that any process can afford it."""

from __future__ import annotations


def printable(text: str, max_chars: int | None = None) -> str:
    """``text`` with everything escaped that a terminal would obey or cannot show: control characters, separators,
    and the lone surrogates that undecodable bytes become.

    Args:
        text: names of files, plugins and imports, messages of peers: text that is not ours.
        max_chars: cut what is longer, and end it with ``…``.
    """
    shown = text if text.isprintable() else "".join(map(_escaped, text))
    return shown if max_chars is None or len(shown) <= max_chars else f"{shown[:max_chars]}…"


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()
