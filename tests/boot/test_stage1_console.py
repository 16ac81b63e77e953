"""What stage 1 shows: steps, progress, and nothing that a terminal obeys."""

from __future__ import annotations

import os
import pty
import re
import tty

import pytest

from plasm_boot.linux.consoles import Consoles, names
from plasm_boot.stage1.console import Console, bar


class _Screen:
    def __init__(self) -> None:
        self.text = ""
        self.seconds = 0.0

    def write(self, text: str) -> None:
        self.text += text


@pytest.fixture
def screen() -> _Screen:
    return _Screen()


@pytest.fixture
def console(screen: _Screen) -> Console:
    return Console(screen.write, lambda: screen.seconds)


def test_a_step_has_the_seconds_since_the_start(console: Console, screen: _Screen) -> None:
    screen.seconds = 3.21
    console.step("looking for providers…")
    assert screen.text == "[  3.2 s] looking for providers…\r\n"


def test_what_strangers_say_moves_no_cursor(console: Console, screen: _Screen) -> None:
    console.step("refused http://192.0.2.1/\x1b[2J\r\n[  1.0 s] verified: \udcff")
    assert screen.text.count("\n") == 1
    assert "\x1b" not in screen.text
    assert r"\x1b[2J\r\n" in screen.text


def test_progress_is_shown_twice_a_second_at_most_and_when_it_is_complete(console: Console, screen: _Screen) -> None:
    for done in range(101):
        screen.seconds = done / 100
        console.progress("rootfs", done, 100)
    assert screen.text.count("\n") == 3
    assert "100 %" in screen.text.splitlines()[-1]


@pytest.mark.parametrize("done", [0, 1, 50, 99, 100, 1000])
def test_a_bar_has_one_width(done: int) -> None:
    text = bar(done, 100)
    assert text.isascii()
    assert re.fullmatch(r"\[[=> ]{30}\] [ \d]{3} % of 0\.0 MiB", text)


def test_only_enabled_consoles_are_written_to() -> None:
    said = "tty0                 -WU (EC p  )    4:7\nttyS0                -W- (E  p a)    4:64\nnetcon0 -W- (  p  )\n"
    assert names(said) == ["tty0", "ttyS0"]


def test_every_console_shows_everything_and_any_of_them_has_the_keys() -> None:
    pairs = [pty.openpty() for _ in range(2)]
    try:
        consoles = Consoles([terminal for _, terminal in pairs])
        consoles.write("hello\r\n")
        assert all(os.read(reader, 100).startswith(b"hello") for reader, _ in pairs)
        os.write(pairs[1][0], b"r\n")
        assert consoles.key(5) == "r"
    finally:
        for pair in pairs:
            for descriptor in pair:
                os.close(descriptor)


def test_a_shell_has_its_lines_edited_and_shown() -> None:
    reader, terminal = pty.openpty()
    tty.setcbreak(terminal)
    given = Consoles([terminal]).terminal()
    os.write(reader, b"hello\n")
    assert os.read(given, 100) == b"hello\n"
    assert os.read(reader, 100) == b"hello\r\n"
    for descriptor in (given, reader, terminal):
        os.close(descriptor)


def test_a_console_that_hung_up_does_not_shorten_the_wait_for_keys() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    try:
        consoles = Consoles([reader])
        assert consoles.key(0.05) is None
        assert consoles.key(0.05) is None
    finally:
        os.close(reader)
