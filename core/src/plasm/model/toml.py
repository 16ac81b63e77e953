"""TOML with places: what a document says, and where it says it, which tomllib does not tell.

A document is scanned before tomllib parses it.  The scan finds the place of every key and of every element of an array,
and refuses what would keep tomllib busy or end in an error of Python: deep nesting, keys of many parts, endless
numbers.  It takes time in proportion to the document, and leaves it to tomllib to say what is not TOML.
"""

from __future__ import annotations

import re
import tomllib
from ast import literal_eval
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from plasm.model.mistakes import Mistake, Mistakes, Path, Position, show_path

_MAX_DEPTH: Final = 64
_MAX_NUMBER_LENGTH: Final = 640

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*+)*+")
_DOT: Final = re.compile(r"[ \t]*+\.[ \t]*+")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'""")
_STRING: Final = re.compile(
    r""""{3}(?:[^"\\]|\\.|"{1,2}(?!"))*+"{3,5}|'{3}(?:[^']|'{1,2}(?!'))*+'{3,5}"""
    r"""|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'""",
    re.DOTALL,
)
_OTHER: Final = re.compile(r"[^,\]}#\n]++")

_PLACE_IN_ERROR: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TABLE_IN_ERROR: Final = re.compile(r"^Cannot (declare|mutate immutable namespace|redefine namespace) (\(.*\))")

_T = TypeVar("_T")


class Places:
    """Where the keys and elements of one document are."""

    def __init__(self, source: str, offsets: dict[Path, int]) -> None:
        self._source = source
        self._offsets = offsets

    def __getitem__(self, path: Path) -> Position:
        """Where the key or the element that ``path`` leads to begins, or else what it is in."""
        while path not in self._offsets:
            if not path:
                return Position(1, 1)
            path = path[:-1]
        return _position(self._source, self._offsets[path])


class Document(NamedTuple):
    """What a TOML document says, as plain data, and where."""

    data: dict[str, Any]
    places: Places

    def read_as(self, make: Callable[[dict[str, Any]], _T]) -> _T:
        """What ``make`` makes of the data.

        Raises:
            Mistakes: those that ``make`` raises, with their positions and in the order of these.
        """
        try:
            return make(self.data)
        except Mistakes as mistakes:
            placed = [mistake._replace(position=self.places[mistake.path]) for mistake in mistakes.first]
            placed.sort(key=lambda mistake: mistake.position or ())
            raise Mistakes(placed, mistakes.others) from None


def load(source: str) -> Document:
    """The document in ``source``.

    Raises:
        Mistakes: it is not TOML, or more than anybody means; one mistake, with its position.
    """
    scan = _Scan(source)
    with suppress(_NotToml):
        scan.document()
    try:
        return Document(tomllib.loads(source), Places(source, scan.offsets))
    except RecursionError:
        raise Mistakes([Mistake("it is nested too deeply")]) from None
    except ValueError as error:
        raise Mistakes([_not_toml(source, str(error))]) from None


def _position(source: str, offset: int) -> Position:
    return Position(source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset))


def _not_toml(source: str, message: str) -> Mistake:
    """What tomllib says, without its own words for a key and for a place."""
    position = _position(source, len(source))
    if place := _PLACE_IN_ERROR.search(message):
        message = message[: place.start()]
        if place[1]:
            position = Position(int(place[1]), int(place[2]))
    message = _TABLE_IN_ERROR.sub(_table_in_error, message)
    hint = "save it without a byte order mark" if source.startswith("\ufeff") else ""
    return Mistake(f"not TOML: {message[:1].lower()}{message[1:]}", hint, position=position)


def _table_in_error(match: re.Match[str]) -> str:
    what = "declare" if match[1] == "declare" else "add here to the table"
    return f"Cannot {what} {show_path(literal_eval(match[2]))}"


class _NotToml(Exception):
    """The scan has lost its way."""


class _Scan:
    """Finds its way past strings and comments, into arrays and inline tables."""

    def __init__(self, source: str) -> None:
        self.offsets: dict[Path, int] = {}
        self._source = source
        self._at = 0
        self._depth = 0
        self._arrays_of_tables: dict[Path, int] = {}

    def document(self) -> None:
        """Scan all of it.

        Raises:
            Mistakes: something that nobody means.
            _NotToml: it ends where it is no TOML.
        """
        table: Path = ()
        while self._more():
            if self._next("["):
                start, several = self._at, self._next("[")
                table = self._key(())
                if several:
                    index = self._arrays_of_tables[table] = self._arrays_of_tables.get(table, -1) + 1
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
        parts = 0
        while True:
            self._more()
            start = self._at
            path = (*path, _unquoted(self._take(_KEY)))
            self._found(path, start)
            parts += 1
            if parts > _MAX_DEPTH:
                raise self._refused(start, f"a key of more than {_MAX_DEPTH} parts")
            if not self._take(_DOT):
                return path
            if path in self._arrays_of_tables:
                path = (*path, self._arrays_of_tables[path])

    def _value(self, path: Path) -> None:
        self._more()
        start = self._at
        if self._next("["):
            self._deeper(start)
            index = 0
            while self._more() and not self._next("]"):
                self._found((*path, index), self._at)
                self._value((*path, index))
                index += 1
                self._more()
                self._next(",")
            self._depth -= 1
        elif self._next("{"):
            self._deeper(start)
            while self._more() and not self._next("}"):
                self._pair(path)
                self._more()
                self._next(",")
            self._depth -= 1
        elif not self._take(_STRING):
            other = self._take(_OTHER)
            if not other:
                raise _NotToml
            if len(other.strip()) > _MAX_NUMBER_LENGTH:
                raise self._refused(start, f"a value of more than {_MAX_NUMBER_LENGTH} characters that is not a string")

    def _deeper(self, start: int) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._refused(start, "it is nested too deeply")

    def _refused(self, at: int, message: str) -> Mistakes:
        return Mistakes([Mistake(message, position=_position(self._source, at))])

    def _found(self, path: Path, at: int) -> None:
        self.offsets.setdefault(path, at)

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
        if not self._next(text):
            raise _NotToml

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._source, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]


def _unquoted(key: str) -> str:
    """The name that a part of a key stands for."""
    if not key:
        raise _NotToml
    if key[0] not in "\"'":
        return key
    if "\\" not in key:
        return key[1:-1]
    try:
        return next(iter(tomllib.loads(f"{key} = 0")))
    except ValueError:
        raise _NotToml from None
