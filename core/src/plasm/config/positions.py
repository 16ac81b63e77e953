"""Where in a TOML source each key is: tomllib does not say.

The source is known to be TOML, so this only has to find its way: past strings and comments, into arrays and inline
tables.  A path is the keys from the top, with the index where one of them is in an array.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Final

from plasm.model.structuring import Path

Position = tuple[int, int]
"""Line and column, from 1."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'""")
_STRING: Final = re.compile(
    r""""{3}(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}|'{3}(?:[^']|'{1,2}(?!'))*'{3,5}|"(?:[^"\\]|\\.)*"|'[^']*\'""", re.DOTALL
)
_OTHER: Final = re.compile(r"[^,\]}#\n]*")


def positions(source: str) -> Mapping[Path, Position]:
    """The position of every key and of every element of an array in ``source``, which must be TOML."""
    return _Scan(source).found


class _Scan:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self.found: dict[Path, Position] = {}
        self._tables: dict[Path, int] = {}
        self._document()

    def _document(self) -> None:
        table: Path = ()
        while self._more():
            if self._next("["):
                start, several = self._at, self._next("[")
                table = self._key(())
                if several:
                    index = self._tables[table] = self._tables.get(table, -1) + 1
                    table = (*table, index)
                    self._found(table, start)
                self._expect("]]" if several else "]")
            else:
                self._pair(table)

    def _pair(self, table: Path) -> None:
        path = self._key(table)
        self._expect("=")
        self._value(path)

    def _key(self, path: Path) -> Path:
        while True:
            self._more()
            start, text = self._at, self._take(_KEY)
            if text[0] in "\"'":
                text = next(iter(tomllib.loads(f"{text} = 0")))
            path = (*path, text)
            self._found(path, start)
            if not self._take(_DOT):
                return path
            if path in self._tables:
                path = (*path, self._tables[path])

    def _value(self, path: Path) -> None:
        self._more()
        if self._next("["):
            index = 0
            while self._more() and not self._next("]"):
                self._found((*path, index), self._at)
                self._value((*path, index))
                index += 1
                self._more()
                self._next(",")
        elif self._next("{"):
            while self._more() and not self._next("}"):
                self._pair(path)
                self._more()
                self._next(",")
        elif not self._take(_STRING):
            self._take(_OTHER)

    def _found(self, path: Path, at: int) -> None:
        before = self._source[:at]
        self.found.setdefault(path, (before.count("\n") + 1, at - before.rfind("\n")))

    def _more(self) -> bool:
        """Go past spaces, line ends and comments; whether something comes after them."""
        self._take(_BLANK)
        return self._at < len(self._source)

    def _next(self, text: str) -> bool:
        """Go past ``text`` where it comes next; whether it did."""
        there = self._source.startswith(text, self._at)
        self._at += len(text) if there else 0
        return there

    def _expect(self, text: str) -> None:
        self._more()
        there = self._next(text)
        assert there, f"no {text} at {self._at}"

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._source, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]
