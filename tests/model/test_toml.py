"""Where things are in TOML, and what is refused before it is parsed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm.model import toml
from plasm.model.mistakes import Mistakes, Path

TOML = '''
a = 1 # [x]
"b.c" = """
k = 1 ""\\" """
'd'.e = 'x = 1'
[t.u]
v = [ "=", [ 1, { w = 2 } ], # ]
  3, ]
y = 1979-05-27 07:32:00
z = {}
[[s]]
n = 1
[[s]]
n = 2
[s.sub]
m = ""
'''


def test_places() -> None:
    places = toml.load(TOML).places
    assert places["a",] == (2, 1)
    assert places["b.c",] == (3, 1)
    assert places["d", "e"] == (5, 5)
    assert places["t", "u"] == (6, 4)
    assert places["t", "u", "v", 1, 1, "w"] == (7, 19)
    assert places["t", "u", "v", 2] == (8, 3)
    assert places["t", "u", "z"] == (10, 1)
    assert places["s", 1, "n"] == (14, 1)
    assert places["s", 1, "sub", "m"] == (16, 1)


def test_what_is_not_there_has_the_place_of_what_it_would_be_in() -> None:
    places = toml.load(TOML).places
    assert places["t", "u", "other"] == (6, 4)
    assert places["t", "u", "v", 9, "w"] == (7, 1)
    assert places["other",] == places[()] == (1, 1)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every key and element of a document with its value, but the keys of tables that have a header of their own."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key), inner
        if isinstance(inner, dict | list):
            yield from leaves(inner, (*path, key))


KEYS = st.sampled_from(["a", "b-1", "", "x y", "a.b", "ü", '"', "'", "\\", "[", "#", "\t", "\x7f", "\U0001f980", "="])
SPACES = st.sampled_from(["", " ", "\t", "  "])
LINES = st.sampled_from(["\n", "\r\n", " # a ] } ' \"\n", "\n\n", "\n# [x]\n\t"])
NUMBERS = st.integers(10**6, 10**9).map(str)
OTHERS = st.sampled_from(
    ['"a = [ # "', "'] }'", '"""x"""""', "'''\n[x]\ny = 1\n'''", '"""a\\"\n" ""\\\\"""', "1.5e3", "0xf", "-inf", "true",
     "1979-05-27 07:32:00Z"]
)  # fmt: skip


@st.composite
def keys(draw: st.DrawFn, text: str) -> str:
    """``text`` as a part of a key, in one of its forms."""
    forms = [json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")]
    if "'" not in text and text.replace("\t", "").isprintable():
        forms.append(f"'{text}'")
    if text and all(char.isascii() and (char.isalnum() or char in "-_") for char in text):
        forms.append(text)
    return draw(st.sampled_from(forms))


@st.composite
def values(draw: st.DrawFn, depth: int = 3) -> str:
    kind = draw(st.sampled_from(["number", "other", "array", "table"])) if depth else "number"
    if kind == "number":
        return draw(NUMBERS)
    if kind == "other":
        return draw(OTHERS)
    inner = draw(st.lists(values(depth - 1), max_size=3))
    if kind == "array":
        blank = draw(LINES | SPACES)
        return "[" + blank + f"{blank},{blank}".join(inner) + blank + "]"
    names = draw(st.lists(KEYS, min_size=len(inner), max_size=len(inner), unique=True))
    blank = draw(SPACES)
    pairs = [f"{draw(keys(name))}{blank}={blank}{value}" for name, value in zip(names, inner, strict=True)]
    return "{" + blank + f"{blank},{blank}".join(pairs) + blank + "}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    parts = []
    for _ in range(draw(st.integers(0, 6))):
        names = draw(st.lists(KEYS, min_size=1, max_size=3))
        space = draw(SPACES)
        key = f"{space}.{space}".join(draw(keys(name)) for name in names)
        form = draw(st.sampled_from(["pair", "pair", "[]", "[[]]"]))
        half = len(form) // 2
        header = f"{form[:half]}{space}{key}{space}{form[half:]}"
        text = f"{key}{space}={space}{draw(values())}" if form == "pair" else header
        parts.append(space + text + draw(LINES))
    return "".join(parts)


@given(documents())
def test_every_key_and_element_is_where_its_place_says(source: str) -> None:
    try:
        document = tomllib.loads(source)
    except ValueError:
        return
    lines = source.split("\n")
    places = toml.load(source).places
    for path, value in leaves(document):
        line, column = places[path]
        there = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        if isinstance(path[-1], str):
            assert next(iter(tomllib.loads(_one_key(there)))) == path[-1], (path, there)
        elif isinstance(value, int) and value >= 10**6:
            assert there.startswith(str(value)), (path, there)
        elif isinstance(value, list | dict):
            assert there[0] in "[{", (path, there)


def _one_key(text: str) -> str:
    """The first part of a key that ``text`` begins with, as a document."""
    for end in range(1, len(text) + 1):
        if text[end : end + 1] in {".", "=", "]", " ", "\t"}:
            try:
                tomllib.loads(f"{text[:end]} = 0")
            except ValueError:
                continue
            return f"{text[:end]} = 0"
    raise AssertionError(text)


@given(st.text(st.sampled_from("a1.=[]{}\"'\\#,\n \t\r\0u"), max_size=60))
def test_any_text_is_a_document_or_one_mistake_with_its_position(source: str) -> None:
    try:
        document = toml.load(source)
    except Mistakes as mistakes:
        (mistake,) = mistakes.first
        assert mistake.position is not None
    else:
        assert document.data == tomllib.loads(source)


@pytest.mark.parametrize(
    ("unit", "frame"),
    [
        ("k{0} = 1\n", "{0}"),
        ("[t{0}]\nk = 1\n", "{0}"),
        ("[[t]]\nk = 1\n", "{0}"),
        ("a.b.c{0} = 1\n", "{0}"),
        ("{{b = 1}}, ", "a = [{0}]"),
        ("1,", "a = [{0}]"),
        ("b{0} = 1, ", "a = {{{0}c = 1}}"),
        ('"k\\u0041{0}" = 1\n', "{0}"),
        ("\n# a", "{0}"),
        ('a""\n', 'a = """{0}"""'),
    ],
)
def test_the_last_place_of_a_long_document_is_right(unit: str, frame: str) -> None:
    source = "first = 1\n" + frame.format("".join(unit.format(number) for number in range(20_000)))
    places = toml.load(f"{source}\n[last]\nx = 1").places
    assert places["last", "x"] == (source.count("\n") + 3, 1)
