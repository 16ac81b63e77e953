"""Which plugin is taken where nobody named one: what plugins declare decides, and what users configure before that."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from plugins.conftest import EXTENSION, Install
from plugins.test_host import RUNTIME

from plasm.config import Config
from plasm.errors import PluginNotFound
from plasm.plugins import PluginHost, PluginKind
from world import Plasm

Host = Callable[..., PluginHost]


@pytest.fixture
def host() -> Host:
    return lambda **variables: PluginHost.from_environment({**os.environ, **variables})


@pytest.fixture
def declares(plugin: Install) -> Callable[..., None]:
    """Installs a plugin that declares no more than what is said."""

    def install(kind: str, name: str, declared: str = "") -> None:
        sys.modules.pop(f"third_party_plasm_plugin_test_{name}", None)
        plugin(f"plasm.{kind}", name, f"{EXTENSION}{declared}\n")

    return install


def others(kind: PluginKind) -> str:
    """What is installed here of this kind, as ``PLASM_DISABLE_PLUGINS`` names it."""
    return ",".join(f"{kind}:{entry.name}" for entry in PluginHost.from_environment().entries if entry.kind is kind)


def test_the_plugin_with_the_highest_preference_is_taken(declares: Callable[..., None], host: Host) -> None:
    without = others(PluginKind.SIGNING)
    declares("signing", "plain_one")
    declares("signing", "liked", "PLASM_PREFERENCE = 7")
    declares("signing", "disliked", "PLASM_PREFERENCE = -7")
    chosen = host(PLASM_DISABLE_PLUGINS=without)
    assert chosen.select(PluginKind.SIGNING).name == "liked"
    assert chosen.names(PluginKind.SIGNING) == ("liked", "plain_one", "disliked")


def test_a_choice_that_no_plugin_decides_is_the_users(declares: Callable[..., None], host: Host) -> None:
    without = others(PluginKind.SIGNING)
    declares("signing", "equal_a")
    declares("signing", "equal_b")
    with pytest.raises(PluginNotFound, match="no signing plugin was chosen") as open_choice:
        host(PLASM_DISABLE_PLUGINS=without).select(PluginKind.SIGNING)
    assert "equal_a, equal_b" in open_choice.value.hint


@pytest.mark.parametrize("declared", ["1 / 0", "PLASM_PREFERENCE = 'high'", "PLASM_HOOK_API = 2"])
def test_a_plugin_that_cannot_be_loaded_is_not_taken_by_default(
    declares: Callable[..., None], host: Host, declared: str
) -> None:
    without = others(PluginKind.SIGNING)
    declares("signing", "works")
    declares("signing", "broken_one", declared)
    assert host(PLASM_DISABLE_PLUGINS=without).select(PluginKind.SIGNING).name == "works"


def test_a_preference_is_kept_so_that_the_next_choice_imports_nothing(
    plugin: Install, command: Plasm, hello: Path, tmp_path: Path
) -> None:
    imports = tmp_path / "imports"
    noted = f"with open({str(imports)!r}, 'a') as file: file.write('.')\n"
    plugin("plasm.runtime", "parrot", RUNTIME + noted + "PLASM_PREFERENCE = 1\n")
    for _ in range(2):  # byte code, written at the first import, changes the folder as an installation does
        assert command("run", hello, "abc").stdout == b"cba\n"
    before = imports.read_text()
    assert before
    assert command("run", hello, "abc").stdout == b"cba\n"
    assert imports.read_text() == before


def test_the_worker_that_is_started_first_chooses_as_the_command_does(
    plugin: Install, command: Plasm, hello: Path, plasm_home: Path
) -> None:
    plugin("plasm.runtime", "parrot", RUNTIME + "PLASM_PREFERENCE = 1000\n")
    assert command("run", hello, "a", "b").stdout == b"a b"
    assert command("run", hello, "abc", env={"PLASM_RUNTIME": "wasmtime"}).stdout == b"cba\n"
    assert command("run", hello, "abc", "--runtime", "wasmtime").stdout == b"cba\n"
    (plasm_home / "config").mkdir(exist_ok=True)
    (plasm_home / "config" / "config.toml").write_text('runtime = "wasmtime"\n')
    assert command("run", hello, "abc").stdout == b"cba\n"
    assert command("run", hello, "a", "b", "--runtime", "parrot").stdout == b"a b"


def test_a_preference_that_was_changed_in_place_is_noticed_when_plugins_are_tried(
    plugin: Install, command: Plasm, hello: Path, tmp_path: Path
) -> None:
    plugin("plasm.runtime", "parrot", RUNTIME)
    assert command("run", hello, "abc").stdout == b"cba\n"
    (module,) = (tmp_path / "third-party").glob("*parrot.py")
    changed = module.stat().st_mtime_ns + 10**9
    with module.open("a") as file:
        file.write("PLASM_PREFERENCE = 1000\n")
    os.utime(module, ns=(changed, changed))  # so that byte code of the same second is not taken for it
    assert json.loads(command("plugins", "--load", "--json").stdout)
    assert command("run", hello, "a", "b").stdout == b"a b"


@pytest.mark.parametrize(
    ("bootstrap", "chosen"), [("", ("near",)), ("/ip4/192.0.2.1/tcp/1/p2p/x", ("far",))], ids=["alone", "bootstrap"]
)
def test_a_discovery_that_needs_peers_to_begin_with_is_taken_where_there_are_some(
    declares: Callable[..., None], host: Host, bootstrap: str, chosen: tuple[str, ...]
) -> None:
    without = others(PluginKind.DISCOVERY)
    declares("discovery", "near", "PLASM_PREFERENCE = 100")
    declares("discovery", "far", "PLASM_NEEDS_BOOTSTRAP = True")
    declares("discovery", "other")
    assert host(PLASM_DISABLE_PLUGINS=without, PLASM_BOOTSTRAP=bootstrap).default_discoveries() == chosen


def test_a_discovery_that_needs_peers_to_begin_with_is_not_taken_without_even_alone(
    declares: Callable[..., None], host: Host
) -> None:
    without = others(PluginKind.DISCOVERY)
    declares("discovery", "far", "PLASM_NEEDS_BOOTSTRAP = True")
    assert host(PLASM_DISABLE_PLUGINS=without).default_discoveries() == ()


def test_an_index_of_an_earlier_form_is_made_anew(host: Host) -> None:
    path = Config.from_environment(os.environ).cache_dir / "plugins.json"
    entries = host().entries
    document = json.loads(path.read_text())
    former = {"fingerprint": document["fingerprint"][1:], "plugins": [list(entry) for entry in entries]}
    path.write_text(json.dumps(former))
    assert host().entries == entries
    assert host().select(PluginKind.RUNTIME).name == "wasmtime"
