"""`plasm init`, `plasm config` and `plasm start` as people type them."""

from __future__ import annotations

import io
import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from plasm.cli.app import main
from plasm.config import NodeConfig, check_file, read
from plasm.config.node_config import leaves
from plasm.config.reference import default_file, page, schema
from plasm.node.configuration import policy_of
from plasm.node.policy import Policy
from plasm.ops.log import Event, Log
from world import ROOT, Plasm

Write = Callable[[Path, str], Path]

# The commented file with every key set.
SET = re.sub(r"^#(\w+ = )", r"\1", default_file(), flags=re.MULTILINE)


def test_the_committed_page_is_current() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == page(), "run: make reference"


def test_the_file_that_init_writes_changes_nothing(plasm: Plasm, user_file: Path) -> None:
    done = plasm("init")
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode() == f"plasm: wrote {user_file}\n"
    assert user_file.stat().st_mode & 0o777 == 0o644
    assert user_file.read_text() == default_file()
    assert read(os.environ).config == NodeConfig()


def test_every_key_of_that_file_is_right_when_it_is_set(tmp_path: Path, write: Write) -> None:
    check_file(write(tmp_path / "all.toml", SET))
    document = tomllib.loads(SET)
    for key, _ in leaves():
        value = document
        for name in key.split("."):
            value = value[name]
    jsonschema.validate(document, schema())


@pytest.mark.parametrize("wrong", ["x = 1", "[node]\nworkers = 0", "[policy]\nmemory = '1 lot'", "[log]\nformat = 'x'"])
def test_the_schema_refuses_what_reading_refuses(wrong: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(wrong), schema())


def test_schema_config(plasm: Plasm) -> None:
    assert json.loads(plasm("schema", "config").stdout) == json.loads(json.dumps(schema()))


def test_init_overwrites_nothing(plasm: Plasm, user_file: Path, write: Write) -> None:
    write(user_file, "mine")
    done = plasm("init")
    assert done.returncode == 125
    assert b"is there already" in done.stderr
    assert user_file.read_text() == "mine"
    assert list(user_file.parent.iterdir()) == [user_file]


def test_init_for_the_system_is_for_all_to_read(system_file: Path) -> None:
    former = os.umask(0o077)
    try:
        assert main(["init", "--system"]) == 0
    finally:
        os.umask(former)
    assert system_file.stat().st_mode & 0o777 == 0o644
    assert system_file.parent.stat().st_mode & 0o777 == 0o755


def test_init_says_where_it_cannot_write(plasm: Plasm, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = plasm("init", env={"PLASM_HOME": str(tmp_path / "file")})
    assert done.returncode == 125
    assert re.fullmatch(rb"plasm: error\[unwritable-output\]: [^\n]+ cannot be written[^\n]+\n", done.stderr)


def test_show_says_what_is_in_force_and_where_it_is_from(plasm: Plasm, user_file: Path, write: Write) -> None:
    write(user_file, '[policy]\nmemory = "64MiB"\n')
    options = ("--runtime", "wasmer", "config", "show", "--origin")
    done = plasm(*options, env={"PLASM_NODE_WORKERS": "3"})
    lines = dict(re.findall(r"^(\S+) = (.*\S)\s*$", done.stdout.decode(), re.MULTILINE))
    spaced = {key: re.sub(r"\s+#", " #", line) for key, line in lines.items()}
    assert spaced["policy.memory"] == f'"64MiB" # {user_file}:2'
    assert spaced["node.workers"] == "3 # PLASM_NODE_WORKERS"
    assert spaced["runtime"] == '"wasmer" # --runtime'
    assert spaced["policy.files"] == '"1GiB" # default'
    assert len(lines) == len(list(leaves()))
    rows = json.loads(plasm(*options, "--json").stdout)
    assert rows["policy.memory"] == {"value": 64 * 2**20, "origin": f"{user_file}:2"}
    assert json.loads(plasm("config", "show", "--json").stdout)["policy.allow"] == []


def test_check(plasm: Plasm, tmp_path: Path, write: Write) -> None:
    good, bad = write(tmp_path / "good.toml", SET), write(tmp_path / "bad.toml", "[node]\nworker = 1\n")
    done = plasm("config", "check", good)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = plasm("config", "check", bad)
    assert done.returncode == 125
    assert f"plasm: error[invalid-config]: {bad}:2:1: node: there is no key 'worker'" in done.stderr.decode()
    assert json.loads(plasm("config", "check", bad, "--json").stdout)["error"]["code"] == "invalid-config"


def test_a_mistake_stops_the_commands_that_it_concerns(
    plasm: Plasm, hello: Path, user_file: Path, write: Write
) -> None:
    write(user_file, "[node]\nworker = 1\n")
    assert plasm("run", hello, "ab").stdout == b"ba\n"
    assert b"config.toml:2:1" in plasm("start").stderr
    write(user_file, "runtim = 'wasmtime'\n")
    done = plasm("run", hello, "ab")
    assert done.returncode == 125
    assert re.fullmatch(rb"plasm: error\[invalid-config\]: [^\n]+config.toml:1:1: [^\n]+\n", done.stderr), done.stderr
    done = plasm("--help")
    assert done.returncode == 0
    assert b"config.toml:1:1" in done.stderr


def test_plugins_are_chosen_and_turned_off_by_a_file(plasm: Plasm, hello: Path, user_file: Path, write: Write) -> None:
    write(user_file, 'disable_plugins = ["runtime:wasmtime"]\n')
    done = plasm("run", hello, "ab", "--runtime", "wasmtime")
    assert b"'wasmtime' is disabled" in done.stderr
    write(user_file, 'runtime = "nothing"\n')
    assert b"there is no runtime plugin 'nothing'" in plasm("run", hello, "ab").stderr
    assert plasm("--runtime", "wasmtime", "run", hello, "ab").stdout == b"ba\n"


def test_text_that_goes_to_a_file_has_no_colours() -> None:
    stream = io.StringIO()
    Log(stream, readable=True).event(Event.STOPPED, peer="x")
    assert "stopped" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_the_policy_by_default_is_the_same_wherever_it_is_said() -> None:
    assert policy_of(NodeConfig()) == Policy()


def test_the_policy_is_what_the_file_says(user_file: Path, write: Write) -> None:
    peer = "12D3KooWQ5jPtJ8vS7b5z9i9Y2mWJ4tT8sCq1YbDkq8yLw3nTn4e"
    write(user_file, f'[policy]\nallow = ["{peer}"]\njobs_per_peer = 2\nmemory = "1MiB"\nmodule_bytes = "1MB"\n')
    policy = policy_of(read(os.environ).config)
    assert policy.allow == {peer}
    assert (policy.jobs_per_peer, policy.limits.memory, policy.module_bytes) == (2, 2**20, 10**6)
