"""What is wrong with a document that somebody wrote: mistake by mistake, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

Path = tuple[str | int, ...]
"""The keys that lead to a value in a document, with the index where one of them is in a list."""

_MAX_TEXT_LENGTH: Final = 300


class Position(NamedTuple):
    """A place in a text, both from 1; a column is one character."""

    line: int
    column: int


class Mistake(NamedTuple):
    """One mistake.

    ``message`` names the key that ``path`` leads to, and ``hint`` says what to do.  ``source`` is the file, the
    variable or the option that it is in, and ``position`` where in the file; empty and ``None`` where that is not
    known.
    """

    message: str
    hint: str = ""
    path: Path = ()
    source: str = ""
    position: Position | None = None

    @property
    def key(self) -> str:
        """The key that it is about, as people write it."""
        return show_path(self.path)

    @property
    def located_message(self) -> str:
        """The message with what is known of ``SOURCE:LINE:COLUMN: `` before it."""
        place = ":".join(str(part) for part in (self.source, *(self.position or ())) if part != "")
        message = _cut(self.message)
        return f"{place}: {message}" if place else message

    def as_document(self) -> dict[str, Any]:
        """What programs are told."""
        line, column = self.position or (None, None)
        return {
            "message": self.located_message,
            "hint": self.hint,
            "key": self.key,
            "source": self.source,
            "line": line,
            "column": column,
        }

    def __str__(self) -> str:
        return f"{self.located_message} ({_cut(self.hint)})" if self.hint else self.located_message


class Mistakes(Exception):
    """All mistakes of a document: ``first`` are some of them, at least one, and ``others`` counts the rest."""

    def __init__(self, first: Sequence[Mistake], others: int = 0) -> None:
        super().__init__(f"{len(first) + others} mistakes")
        self.first = tuple(first)
        self.others = others

    def in_source(self, source: str) -> Mistakes:
        """The same, found in ``source``."""
        return Mistakes([mistake._replace(source=source) for mistake in self.first], self.others)


def show_path(path: Path) -> str:
    """``path`` as people write it: ``invocation.mounts[0].guest``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def show_value(value: object) -> str:
    """A value of a document as its writer would know it; what is long is cut."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return repr(value if len(value) <= _MAX_TEXT_LENGTH // 3 else f"{value[: _MAX_TEXT_LENGTH // 3]}…")
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 64:  # noqa: PLR2004
        return "a number of more than 19 digits"
    return str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT_LENGTH else f"{text[:_MAX_TEXT_LENGTH]}…"
