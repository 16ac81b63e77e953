"""Text that is not ours is shown so that a terminal has nothing to obey."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm.model.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größer 12 kB", "größer 12 kB"),
        ("\x1b[2Jgone\n", "\\x1b[2Jgone\\n"),
        ("right\u202eleft", "right\\u202eleft"),
        ("two\u2028lines", "two\\u2028lines"),
        (os.fsdecode(b"\xff.wasm"), "\\udcff.wasm"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_whatever_it_was_it_can_be_printed(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


def test_what_is_too_long_says_that_there_is_more() -> None:
    assert printable("abcdef", max_chars=6) == "abcdef"
    assert printable("abcdefg", max_chars=6) == "abcdef…"
