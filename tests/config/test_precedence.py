"""Files, then variables, then options; and every value knows where it came from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from plasm.config import Config, NodeConfig, read
from plasm.config.config import LIST_KEYS, TEXT_KEYS
from plasm.config.node_config import leaves
from plasm.config.reading import DEFAULT
from plasm.errors import InvalidConfig, InvalidInput, UnreadableInput

Write = Callable[[Path, str], Path]


def test_without_files_and_variables_everything_is_as_it_is_by_default(plasm_home: Path) -> None:
    reading = read(os.environ)
    assert reading.config == NodeConfig()
    assert set(reading.origins.values()) == {DEFAULT}
    assert list(reading.origins) == [key for key, _ in leaves()]


def test_the_users_file_lies_over_the_systems_key_by_key(system_file: Path, user_file: Path, write: Write) -> None:
    write(system_file, '[node]\nworkers = 2\nqueue = 7\n[policy]\ndeny = []\nmemory = "64MiB"\n')
    write(user_file, "[node]\nqueue = 9\n")
    reading = read(os.environ)
    assert (reading.config.node.workers, reading.config.node.queue) == (2, 9)
    assert reading.config.policy.memory == 64 * 2**20
    assert reading.origins["node.workers"] == f"{system_file}:2"
    assert reading.origins["node.queue"] == f"{user_file}:2"
    assert reading.origins["policy.memory"] == f"{system_file}:6"
    assert reading.origins["policy.files"] == DEFAULT


def test_a_variable_lies_over_files_and_an_option_over_a_variable(user_file: Path, write: Write) -> None:
    write(user_file, 'runtime = "a"\n[node]\nworkers = 2\n[policy]\nwall_time = "1s"\nallow = []\n')
    environ = {**os.environ, "PLASM_NODE_WORKERS": "3", "PLASM_RUNTIME": "b", "PLASM_POLICY_WALL_TIME": "2m"}
    reading = read(environ, {"node.workers": ("--workers", 4)})
    assert (reading.config.node.workers, reading.origins["node.workers"]) == (4, "--workers")
    assert (reading.config.runtime, reading.origins["runtime"]) == ("b", "PLASM_RUNTIME")
    assert reading.config.policy.wall_time == 120_000


def test_a_list_replaces_a_list(system_file: Path, user_file: Path, write: Write) -> None:
    write(system_file, 'disable_plugins = ["a", "b"]\n')
    write(user_file, 'disable_plugins = ["c"]\n')
    assert read(os.environ).config.disable_plugins == ("c",)
    assert Config.from_environment(os.environ).disabled_plugins == {"c"}
    environ = {**os.environ, "PLASM_DISABLE_PLUGINS": "d, e"}
    assert read(environ).config.disable_plugins == ("d", "e")
    assert Config.from_environment(environ).disabled_plugins == {"d", "e"}


def test_plasm_config_takes_the_place_of_both_files(
    system_file: Path, user_file: Path, write: Write, tmp_path: Path
) -> None:
    write(system_file, "[node]\nworkers = 2\n")
    write(user_file, "[node]\nqueue = 9\n")
    named = write(tmp_path / "mine.toml", "[node]\nqueue = 10\n")
    config = read({**os.environ, "PLASM_CONFIG": str(named)}).config
    assert (config.node.workers, config.node.queue) == (None, 10)
    assert read({**os.environ, "PLASM_CONFIG": os.devnull}).config == NodeConfig()
    with pytest.raises(UnreadableInput, match=r"none\.toml"):
        read({**os.environ, "PLASM_CONFIG": str(tmp_path / "none.toml")})


def test_the_users_file_is_where_xdg_says(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "xdg" / "plasm" / "config.toml", 'signer = "x"\n')
    write(tmp_path / ".config" / "plasm" / "config.toml", 'signer = "h"\n')
    assert read({"HOME": str(tmp_path)}).config.signer == "h"
    assert read({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}).config.signer == "x"


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"PLASM_HOME": "/p", "XDG_RUNTIME_DIR": "/r"}, "/p/run"),
        ({"HOME": "/h", "XDG_RUNTIME_DIR": "/r"}, "/r/plasm"),
        ({"HOME": "/h", "XDG_RUNTIME_DIR": "relative"}, "/h/.local/state/plasm/run"),
        ({"HOME": "/h"}, "/h/.local/state/plasm/run"),
    ],
)
def test_where_the_control_socket_lives(environ: dict[str, str], folder: str) -> None:
    assert Config.from_environment(environ).runtime_dir == Path(folder)


EVERYDAY = """
runtime = "a"
signer = 'b'
transport = "c"
disable_plugins = [
  "x", # why
]
discoveries = ["mdns", "dht"]
bootstrap = ["/dns/example.org/tcp/1/p2p/12D3KooWQ5jPtJ8vS7b5z9i9Y2mWJ4tT8sCq1YbDkq8yLw3nTn4e"]
[node]
workers = 1
"""


@pytest.mark.parametrize("text", [EVERYDAY, EVERYDAY.replace("'", '"').replace("[\n", "[").replace(", # why\n", "")])
def test_every_command_and_the_node_read_the_same(user_file: Path, write: Write, text: str) -> None:
    write(user_file, text)
    config, everything = Config.from_environment(os.environ), read(os.environ).config
    assert everything.runtime == "a"
    for key in (*TEXT_KEYS, *LIST_KEYS):
        name = {"disable_plugins": "disabled_plugins"}.get(key, key)
        value = getattr(config, name)
        assert (set(value) if isinstance(value, frozenset) else value) == (
            set(getattr(everything, key)) if isinstance(value, frozenset) else getattr(everything, key)
        )


def test_the_keys_for_every_command_are_those_outside_of_tables() -> None:
    outside = {field.name: field.type for field in attrs.fields(NodeConfig) if not attrs.has(field.type)}  # type: ignore[arg-type]
    assert {*TEXT_KEYS, *LIST_KEYS} == set(outside)
    assert {name for name, kind in outside.items() if kind == tuple[str, ...]} == set(LIST_KEYS)


@pytest.mark.parametrize(
    "text",
    ['runtim = "a"', "runtime = 1", 'runtime = ""', 'disable_plugins = "a"', "disable_plugins = [1]", "runtime = ",
     'runtime = "a"\nruntime = "b"', "workers = 3", "x", 'bootstrap = [["a"]]'],
)  # fmt: skip
def test_what_is_wrong_for_every_command_is_told_by_every_command(user_file: Path, write: Write, text: str) -> None:
    write(user_file, f"# first\n{text}\n")
    for reader in (Config.from_environment, read):
        with pytest.raises(InvalidConfig, match=f"^{user_file}:[23]:"):
            reader(os.environ)


def test_unusual_toml_is_as_good(user_file: Path, write: Write) -> None:
    write(user_file, '"runtime" = """a"""\nnode.workers = 3\nlog = { format = "json" }\n')
    assert Config.from_environment(os.environ).runtime == "a"
    assert read(os.environ).config.node.workers == 3


@pytest.mark.parametrize(
    "text",
    [
        '# a\u2028signer = "b"\nruntime = "a"\n',
        '# a\x85signer = "b"\nruntime = "a"\n',
        'runtime = "a"\r\n# signer = "b"\r\n\r\n[node]\r\n',
        'runtime = """a\n# b\n\nc"""\n',
        "runtime = '''\n[node]\nworkers = 3\n'''\nsigner = \"b\"\n",
        'discoveries = [\n  "mdns", "dht",\n]\nruntime = "a"\n',
    ],
)
def test_every_command_finds_line_ends_where_toml_has_them(user_file: Path, write: Write, text: str) -> None:
    write(user_file, "").write_bytes(text.encode())
    config, everything = Config.from_environment(os.environ), read(os.environ).config
    assert (config.runtime, config.signer) == (everything.runtime, everything.signer)
    assert config.runtime is not None


def test_processes_that_start_later_find_the_same_whatever_has_become_of_the_file(
    user_file: Path, write: Write
) -> None:
    write(user_file, EVERYDAY)
    before, reading = Config.from_environment(os.environ), read(os.environ)
    write(user_file, "garbage")
    assert Config.from_environment({**os.environ, **reading.variables()}) == before


def test_a_wrong_variable_or_option_is_named() -> None:
    with pytest.raises(InvalidConfig, match=r"^PLASM_NODE_WORKERS: must be a whole number, not 'many'"):
        read({**os.environ, "PLASM_NODE_WORKERS": "many"})
    with pytest.raises(InvalidConfig, match=r"^PLASM_NODE_WORKERS: must be a whole number below 2\^63$"):
        read({**os.environ, "PLASM_NODE_WORKERS": "9" * 20})
    with pytest.raises(InvalidConfig, match=r"^PLASM_NODE_WORKERS: -1 is out of range \(from 1 to 1024\)$"):
        read({**os.environ, "PLASM_NODE_WORKERS": "-1"})
    with pytest.raises(InvalidInput, match=r"^--allow: 'me' is not a peer id") as caught:
        read(os.environ, {"policy.allow": ("--allow", ["me"])})
    assert caught.value.code == "invalid-input"


LOADED = "import sys; from plasm.config import Config; Config.from_environment({'PLASM_HOME': sys.argv[1]}); \
print({'tomllib', 'cattrs', 'plasm.config.node_config'} & set(sys.modules))"


@pytest.mark.parametrize("text", [None, "# nothing\n[node]\nworkers = 3\n", 'runtime = "a"\ndisable_plugins = ["b"]\n'])
def test_a_job_does_not_wait_for_toml_to_be_loaded(
    plasm_home: Path, user_file: Path, write: Write, text: str | None
) -> None:
    if text is not None:
        write(user_file, text)
    done = subprocess.run([sys.executable, "-c", LOADED, str(plasm_home)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
