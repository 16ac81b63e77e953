"""A mistake in a file is told with file, line, column and key, and with what to do."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm.config import check_file
from plasm.config.positions import positions
from plasm.errors import InvalidConfig, UnreadableInput

Write = Callable[[Path, str], Path]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("[node]\n  worker = 3\n", "2:3", "node: there is no key 'worker' (did you mean 'workers'?)"),
        ("[nodes]\n", "1:2", "there is no key 'nodes' (did you mean 'node'?)"),
        ("[node]\nx = 1", "2:1", "(known are listen, workers, queue, runtimes)"),
        ('[log]\nformat = "json"\nruntime = "a"\n', "3:1", "it belongs above the first table"),
        ("queue = 1\n", "1:1", "it belongs below [node]"),
        ("# c\n\n[node]\nworkers = '3'\n", "4:1", "node.workers: must be a whole number, not '3'"),
        ("node.workers = true", "1:6", "node.workers: must be a whole number"),
        ("[node]\nworkers = 0", "2:1", "node.workers: 0 is out of range (from 1 to 1024)"),
        ('[policy]\nmemory = "1KiB"', "2:1", "policy.memory: 1KiB is out of range (from 64KiB to 4GiB)"),
        ('[policy]\nmemory = "1 kilo"', "2:1", "units: B, kB"),
        ('[store]\nkeep_age = "1y"', "2:1", "units: ms, s, m, h, d"),
        ("[policy]\nallow = 'me'", "2:1", "policy.allow: must be a list"),
        ('[policy]\nallow = ["me"]', "2:1", "policy.allow: 'me' is not a peer id"),
        ("disable_plugins = [\n 'a', # ]\n 3 ]", "3:2", "disable_plugins[1]: must be text, not 3"),
        ("node = { queue = 1, listen = ['tcp://x'] }", "1:21", "is not a multiaddress"),
        ("[[node]]\nqueue = 1\n", "1:3", "node: must be a table"),
        ("node = 3", "1:1", "node: must be a table"),
        ("bootstrap = ['/ip4/1.2.3.4/tcp/1']", "1:1", "is not the address of a peer"),
        ("[metrics]\nlisten = '0.0.0.0:9464'", "2:1", "is not a loopback address and a port"),
        ("[metrics]\nlisten = '127.0.0.1:99999'", "2:1", "is not a loopback address and a port"),
        ("[log]\nformat = 'xml'", "2:1", "log.format: must be one of auto, json, text, not 'xml'"),
        ("[node\n", "1:6", "not TOML"),
        ("a = 1\na = 2\n", "2:6", "not TOML: cannot overwrite a value"),
        ("a = 1\nb = ", "2:5", "not TOML: invalid value"),
        ("a = 1\nb = \n", "2:5", "not TOML: invalid value"),
        ("a = '''\n", "2:1", "not TOML"),
        ("a = " + "[" * 100_000, "", "nested too deeply"),
    ],
)
def test_mistakes(tmp_path: Path, write: Write, text: str, place: str, words: str) -> None:
    path = write(tmp_path / "config.toml", text)
    with pytest.raises(InvalidConfig) as caught:
        check_file(path)
    assert str(caught.value).startswith(f"{path}:{place}:" if place else f"{path}:"), caught.value
    assert words in str(caught.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:9464", "[::1]:0", "127.3.2.1:1"])
def test_metrics_on_loopback(tmp_path: Path, write: Write, listen: str) -> None:
    check_file(write(tmp_path / "config.toml", f'[metrics]\nlisten = "{listen}"'))


def test_what_is_no_file_of_ours(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(UnreadableInput, match="No such file"):
        check_file(path)
    path.write_bytes(b"# a\n# \xff\n")
    with pytest.raises(InvalidConfig, match=r"config.toml:2: it is not UTF-8"):
        check_file(path)
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(InvalidConfig, match="longer than"):
        check_file(path)
    with pytest.raises(InvalidConfig, match="not a file"):
        check_file(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidConfig, match="not a file"):
        check_file(tmp_path / "pipe")


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "config.toml", "")
    path.chmod(0o664)
    check_file(path)
    path.chmod(0o646)
    with pytest.raises(InvalidConfig, match=re.escape(f"chmod o-w {path}")):
        check_file(path)


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


def test_positions() -> None:
    found = positions(TOML)
    assert found["a",] == (2, 1)
    assert found["b.c",] == (3, 1)
    assert found["d", "e"] == (5, 5)
    assert found["t", "u"] == (6, 4)
    assert found["t", "u", "v", 1, 1, "w"] == (7, 19)
    assert found["t", "u", "v", 2] == (8, 3)
    assert found["t", "u", "z"] == (10, 1)
    assert found["s", 1, "n"] == (14, 1)
    assert found["s", 1, "sub", "m"] == (16, 1)


def paths(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path, *(each for key, inner in below for each in paths(inner, (*path, key)))}


PIECES = st.sampled_from(
    ["[a]\n", "[a.b]\n", "[[c]]\n", "k = 1\n", 'l = "]"\n', "m = [1, [2], {n = 3}]\n", "o.p = '''\n[x]\n'''\n", "#=\n",
     '"q r" = """a""""\n', "s = {t.u = [\n]}\n", "v = 1.5e3 # c\n", "\r\n", "\t"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
def test_every_key_of_any_toml_has_a_position(source: str) -> None:
    try:
        document = tomllib.loads(source)
    except ValueError:
        return
    assert paths(document) - {()} <= set(positions(source))
