"""A node's log: one line an event, in the format that was asked for, whatever peers say."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh.processes import PATIENCE_SECONDS

from plasm.ops.log import Event, LibraryWarnings, Log
from world import plasm_environment

HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\nlistening\0\x85\u2028\u202e\x9b31m"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("readable", [False, True])
@given(said=st.just(HOSTILE) | st.text())
def test_what_a_peer_says_stays_on_its_line_and_does_nothing_to_a_terminal(readable: bool, said: str) -> None:
    stream = io.StringIO()
    Log(stream, readable=readable).event(Event.REJECTED, detail=said)
    line, rest = stream.getvalue().split("\n", 1)
    assert rest == ""
    assert line.isprintable()
    if not readable:
        assert line.isascii()
        assert json.loads(line)["event"] == "rejected"


def test_on_a_terminal_too() -> None:
    plain, coloured = Terminal(), Terminal()
    Log(plain).event(Event.REJECTED, detail="")
    Log(coloured).event(Event.REJECTED, detail=HOSTILE)
    assert plain.getvalue().count("\x1b") == coloured.getvalue().count("\x1b") > 0  # colours of our own
    assert coloured.getvalue().count("\n") == 1


def test_what_libraries_warn_of_is_an_event_and_escaped_too() -> None:
    stream = io.StringIO()
    logger = logging.Logger("some.library")
    logger.addHandler(LibraryWarnings(Log(stream)))
    logger.info("nothing of note")
    logger.warning("%s misbehaves", HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logger.exception("it failed")
    logger.warning("%d", "no number")
    plain, failed = map(json.loads, stream.getvalue().splitlines())
    assert (plain["event"], plain["source"]) == ("warning", "some.library")
    assert plain["detail"].endswith("misbehaves")
    assert "ValueError" in failed["error"]
    assert failed["where"].startswith("test_log.py:")
    assert all(value.isprintable() for line in (plain, failed) for value in line.values())


def test_a_long_story_is_cut_off() -> None:
    stream = io.StringIO()
    Log(stream).event(Event.REJECTED, detail="x" * 10**6)
    assert len(stream.getvalue()) < 2000


def test_json_unless_somebody_watches() -> None:
    file, terminal, told = io.StringIO(), Terminal(), Terminal()
    for log in Log(file), Log(terminal), Log(told, readable=False):
        log.event(Event.BANNED, peer="a", job=None)
    for stream in file, told:
        line = json.loads(stream.getvalue())
        assert set(line) == {"peer", "event", "timestamp"}
    assert not terminal.getvalue().startswith("{")


@pytest.mark.parametrize(("asked", "is_json"), [("auto", True), ("json", True), ("text", False)])
def test_the_configuration_decides(plasm_home: Path, asked: str, is_json: bool) -> None:
    (plasm_home / "config").mkdir(parents=True)
    (plasm_home / "config" / "config.toml").write_text(f'[log]\nformat = "{asked}"\n')
    command = [sys.executable, "-m", "plasm", "start", "--listen", "/ip4/127.0.0.1/tcp/0", "--discovery", "none"]
    with subprocess.Popen(
        [*command, "--workers", "1"], env=plasm_environment(), stderr=subprocess.PIPE, text=True
    ) as node:
        assert node.stderr is not None
        first = node.stderr.readline()
        assert any("reach it at" in line for line in node.stderr)
        node.terminate()
        assert node.wait(PATIENCE_SECONDS) == 0
    assert "listening" in first
    assert first.startswith("{") == is_json
    assert "\x1b" not in first
