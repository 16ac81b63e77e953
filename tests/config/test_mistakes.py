"""A mistake in a file is told with file, line, column and key, and with what to do."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from plasm.config import check_file, read
from plasm.errors import InvalidConfig, UnreadableInput
from world import Plasm

Write = Callable[[Path, str], Path]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("[node]\n  worker = 3\n", "2:3", "node: there is no key 'worker' (did you mean 'workers'?)"),
        ("[nodes]\n", "1:2", "there is no key 'nodes' (did you mean 'node'?)"),
        ("[node]\nx = 1", "2:1", "(known are listen, workers, queue, runtimes)"),
        ('[log]\nformat = "json"\nruntime = "a"\n', "3:1", "it belongs at the top, above every table"),
        ("queue = 1\n", "1:1", "it belongs below [node]"),
        ("# c\n\n[node]\nworkers = '3'\n", "4:1", "node.workers: must be a whole number, not '3'"),
        ("node.workers = true", "1:6", "node.workers: must be a whole number"),
        ("[node]\nworkers = 0", "2:1", "node.workers: 0 is out of range (from 1 to 1024)"),
        ('[policy]\nmemory = "1KiB"', "2:1", "policy.memory: 1KiB is out of range (from 64KiB to 4GiB)"),
        ('[policy]\nmemory = "1 kilo"', "2:1", "units: B, kB"),
        ('[store]\nkeep_age = "1y"', "2:1", "units: ms, s, m, h, d"),
        ("[policy]\nallow = 'me'", "2:1", "policy.allow: must be a list"),
        ('[policy]\nallow = ["me"]', "2:10", "policy.allow[0]: 'me' is not a peer id"),
        ("disable_plugins = [\n 'a', # ]\n 3 ]", "3:2", "disable_plugins[1]: must be text, not 3"),
        ("node = { queue = 1, listen = ['tcp://x'] }", "1:31", "is not a multiaddress"),
        ("[[node]]\nqueue = 1\n", "1:3", "node: must be a table"),
        ("node = 3", "1:1", "node: must be a table"),
        ("bootstrap = ['/ip4/1.2.3.4/tcp/1']", "1:14", "is not the address of a peer"),
        ("[metrics]\nlisten = '0.0.0.0:9464'", "2:1", "is not a loopback address and a port"),
        ("[metrics]\nlisten = '127.0.0.1:99999'", "2:1", "is not a loopback address and a port"),
        ("[log]\nformat = 'xml'", "2:1", "log.format: must be one of auto, json, text, not 'xml'"),
        ("[node\n", "1:6", "not TOML"),
        ("a = 1\na = 2\n", "2:6", "not TOML: cannot overwrite a value"),
        ("a = 1\nb = ", "2:5", "not TOML: invalid value"),
        ("a = 1\nb = \n", "2:5", "not TOML: invalid value"),
        ("a = '''\n", "2:1", "not TOML"),
        ("a = " + "[" * 100_000, "1:69", "it is nested too deeply"),
        ("a = " + "{a=" * 100_000, "1:197", "it is nested too deeply"),
        ("[a." + "a." * 100_000, "1:130", "a key of more than 64 parts"),
        ("control = 3", "1:1", "control: must be a table, not 3"),
        ("[[control]]", "1:3", "control: must be a table, not a list"),
        ("[control]\n\ngroup = ''\n", "3:1", "control.group: must not be empty"),
        ("[control]\ngruop = 'a'\n", "2:1", "control: there is no key 'gruop' (did you mean 'group'?)"),
        ("[node]\nlisten = ['', 'a']", "2:11", "node.listen[0]: must not be empty"),
        ("[node]\nqueue = 1.5", "2:1", "node.queue: must be a whole number, not 1.5"),
        ("[node]\nqueue = inf", "2:1", "node.queue: must be a whole number, not inf"),
        ("[node]\nqueue = false", "2:1", "node.queue: must be a whole number, not false"),
        ("[node]\nqueue = 1979-05-27", "2:1", "node.queue: must be a whole number, not 1979-05-27"),
        ("[node]\nqueue = 07:32:00", "2:1", "node.queue: must be a whole number, not 07:32:00"),
        ("[node]\nqueue = {}", "2:1", "node.queue: must be a whole number, not a table"),
        ("[node.queue]", "1:7", "node.queue: must be a whole number, not a table"),
        ("node.queue.most = 3", "1:6", "node.queue: must be a whole number, not a table"),
        ("runtime = 1979-05-27T07:32:00Z", "1:1", "runtime: must be text, not 1979-05-27 07:32:00+00:00"),
        ("[node]\nqueue = 99999999999999999999", "2:1", "node.queue: must be a whole number below 2^63"),
        ("[node]\nqueue = 0x" + "f" * 600, "2:1", "node.queue: must be a whole number below 2^63"),
        ("[node]\nqueue = " + "1" * 5000, "2:9", "a value of more than 640 characters that is not a string"),
        ("[node]\nqueue = 0x" + "f" * 5000, "2:9", "a value of more than 640 characters that is not a string"),
        ("runtime = 'a\0b'", "1:13", "character '\\x00'"),
        ("\ufeffruntime = 'a'", "1:1", "(save it without a byte order mark)"),
        ("[node]\n[node]\n", "2:6", "not TOML: cannot declare node twice"),
        ("[a.'b c']\n['a'.\"b c\"]\n", "2:11", "not TOML: cannot declare a.b c twice"),
        ("a = {\"('x y ' z')\" = 1, \"('x y ' z')\" = 1}", "1:42", "not TOML: duplicate inline table key"),
        ("a = {b = 1}\n[a.c]", "2:5", "not TOML: cannot declare"),
        ("a = {b = 1}\na.c = 1", "2:8", "not TOML: cannot add here to the table a"),
    ],
)
def test_mistakes(tmp_path: Path, write: Write, text: str, place: str, words: str) -> None:
    path = write(tmp_path / "config.toml", text)
    with pytest.raises(InvalidConfig) as caught:
        check_file(path)
    assert str(caught.value).startswith(f"{path}:{place}:" if place else f"{path}:"), caught.value
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_mistake_in_a_long_list_is_told_with_its_own_line(tmp_path: Path, write: Write) -> None:
    peer = "12D3KooWQ5jPtJ8vS7b5z9i9Y2mWJ4tT8sCq1YbDkq8yLw3nTn4e"
    path = write(tmp_path / "config.toml", f"[policy]\nallow = [\n  '{peer}',\n  'me', # who?\n  '{peer}',\n]\n")
    with pytest.raises(InvalidConfig, match=re.escape(f"{path}:4:3: policy.allow[1]: 'me' is not a peer id")):
        check_file(path)


MANY = """\
runtim = 'a'
discoveries = ['mdns', 3]
[control]
group = ''
[store]
keep_age = '1 year'
[node]
queue = -1
listen = ['tcp', '/ip4/0.0.0.0/udp/1/quic-v1', '']
"""


def test_every_mistake_is_told_in_the_order_of_the_file(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "config.toml", MANY)
    with pytest.raises(InvalidConfig) as caught:
        check_file(path)
    assert [(mistake.position, mistake.key) for mistake in caught.value.mistakes] == [
        ((1, 1), "runtim"),
        ((2, 24), "discoveries[1]"),
        ((4, 1), "control.group"),
        ((6, 1), "store.keep_age"),
        ((8, 1), "node.queue"),
        ((9, 11), "node.listen[0]"),
        ((9, 48), "node.listen[2]"),
    ]
    assert caught.value.others == 0
    assert str(caught.value) == f"{path}:1:1: there is no key 'runtim' (did you mean 'runtime'?); and 6 more"


@pytest.mark.parametrize("count", [20, 21, 5000])
def test_no_more_than_twenty_mistakes_are_told_and_the_rest_is_counted(
    tmp_path: Path, write: Write, count: int
) -> None:
    path = write(tmp_path / "config.toml", f"[node]\nlisten = [{'1, ' * (count - 1)}]\nqueue = 'x'\n")
    with pytest.raises(InvalidConfig) as caught:
        check_file(path)
    assert (len(caught.value.mistakes), caught.value.others) == (20, count - 20)
    assert caught.value.mistakes[2].key == "node.listen[2]"


def test_all_wrong_variables_are_told_by_their_names() -> None:
    environ = {
        "PLASM_CONFIG": os.devnull,
        "PLASM_NODE_QUEUE": "-1",
        "PLASM_POLICY_ALLOW": "me",
        "PLASM_LOG_FORMAT": "json",
    }
    with pytest.raises(InvalidConfig) as caught:
        read(environ)
    assert [str(mistake) for mistake in caught.value.mistakes] == [
        "PLASM_NODE_QUEUE: -1 is out of range (from 0 to 10000)",
        "PLASM_POLICY_ALLOW: 'me' is not a peer id (it looks like 12D3KooW and 44 more characters)",
    ]


def test_the_command_tells_every_mistake(plasm: Plasm, tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "config.toml", "[node]\nworker = 1\nqueue = 'x'\n")
    done = plasm("config", "check", path)
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.decode() == (
        f"plasm: error[invalid-config]: {path}:2:1: node: there is no key 'worker' (did you mean 'workers'?)\n"
        f"plasm: error[invalid-config]: {path}:3:1: node.queue: must be a whole number, not 'x'\n"
    )
    write(path, f"[node]\nlisten = [{'1, ' * 30}]\n")
    lines = plasm("config", "check", path).stderr.decode().splitlines()
    assert len(lines) == 21
    assert lines[-1] == "plasm: error[invalid-config]: and 10 more"
    error = json.loads(plasm("config", "check", path, "--json").stdout)["error"]
    assert (error["code"], error["message"]) == ("invalid-config", f"{path}:2:11: node.listen[0]: must be text, not 1")
    assert (len(error["mistakes"]), error["others"]) == (20, 10)
    assert error["mistakes"][1] == {
        "message": f"{path}:2:14: node.listen[1]: must be text, not 1",
        "hint": "",
        "key": "node.listen[1]",
        "source": str(path),
        "line": 2,
        "column": 14,
    }


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
