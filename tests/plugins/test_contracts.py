"""What a factory makes is compared with its contract before it is used, and refused by the plugin's name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from plugins.conftest import EXTENSION, Install

from plasm.contracts import BootMode, BootPolicy, RootfsNeeds
from plasm.errors import PluginError
from plasm.model import PeerId
from plasm.plugins import PluginHost
from plasm.signatures import EphemeralSigner
from world import Plasm

PEER = PeerId(bytes(32))
Make = Callable[[PluginHost, str], object]

SIGNER: Make = lambda host, name: host.signer(name)  # noqa: E731
TRANSPORT: Make = lambda host, name: host.transport(EphemeralSigner(), name)  # noqa: E731
DISCOVERY: Make = lambda host, name: host.discovery(name, PEER, None)  # noqa: E731
BOOT_MODE: Make = lambda host, name: host.boot_mode(name)  # noqa: E731

GOOD_SIGNER = "class Made:\n    public_key = bytes(32)\n    def sign(self, message): return bytes(64)\n"
BARE_MODE = "from plasm.contracts import BootMode, BootPolicy\nPOLICY = BootPolicy(False, False, False, 'none')\n"

FAULTS = {
    "a text for a signer": ("signing", "plasm_signer", "'text'", "", SIGNER, "has no public_key"),
    "nothing": ("signing", "plasm_signer", "None", "", SIGNER, "is nothing"),
    "a class for its object": ("signing", "plasm_signer", "Made", GOOD_SIGNER, SIGNER, "is the class Made"),
    "a key as text": (
        "signing",
        "plasm_signer",
        "Made()",
        GOOD_SIGNER.replace("bytes(32)", "'0' * 32"),
        SIGNER,
        "has a public_key of type str, not bytes",
    ),
    "a key that is too short": (
        "signing",
        "plasm_signer",
        "Made()",
        GOOD_SIGNER.replace("bytes(32)", "bytes(31)"),
        SIGNER,
        "its public_key has 31 bytes",
    ),
    "a property that raises": (
        "signing",
        "plasm_signer",
        "Made()",
        "class Made:\n    @property\n    def public_key(self): 1 / 0\n    def sign(self, message): pass\n",
        SIGNER,
        "fails to give its public_key: ZeroDivisionError",
    ),
    "a method that is not one": (
        "signing",
        "plasm_signer",
        "Made()",
        "class Made:\n    public_key, sign = bytes(32), b'signature'\n",
        SIGNER,
        "has a sign that cannot be called",
    ),
    "a transport without dial": (
        "transport",
        "plasm_transport",
        "Made()",
        "class Made:\n    async def __aenter__(self): ...\n    async def __aexit__(self, *_): ...\n    listen = id\n",
        TRANSPORT,
        "has no dial",
    ),
    "a discovery that is no context": (
        "discovery",
        "plasm_discovery",
        "Made()",
        "class Made:\n    async def advertise(self, *_): ...\n    def find(self, *_): ...\n",
        DISCOVERY,
        "has no __aenter__",
    ),
    "a dictionary for a mode": ("boot_mode", "plasm_boot_mode", "{}", "", BOOT_MODE, "is a dict, not a BootMode"),
    "a mode of unknown kinds": (
        "boot_mode",
        "plasm_boot_mode",
        "BootMode('m', 'M', {'engine': ('x',)}, POLICY)",
        BARE_MODE,
        BOOT_MODE,
        "of a kind that there is not: engine",
    ),
    "a mode with a text for names": (
        "boot_mode",
        "plasm_boot_mode",
        "BootMode('m', 'M', {'runtime': 'wasmtime'}, POLICY)",
        BARE_MODE,
        BOOT_MODE,
        "TypeError: 'wasmtime' is not a sequence of texts",
    ),
}


@pytest.fixture
def install(plugin: Install) -> Install:
    """Installs a plugin whose one hook returns what is said, under a name that no other test has imported."""

    def make(kind: str, hook: str, expression: str, before: str = "") -> str:
        name = f"made{len(os.listdir(Path(sys.path[0])))}"
        source = f"{EXTENSION}{before}\n@hookimpl\ndef {hook}(): return {expression}\n"
        sys.modules.pop(f"third_party_plasm_plugin_test_{name}", None)
        plugin(f"plasm.{kind}", name, source)
        return name

    return make


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_its_contract_is_refused_by_name(install: Callable[..., str], fault: str) -> None:
    kind, hook, expression, before, make, why = FAULTS[fault]
    name = install(kind, hook, expression, before)
    with pytest.raises(PluginError, match=why) as refused:
        make(PluginHost.from_environment(), name)
    assert f"the {kind} plugin {name!r} (plasm-plugin-test 1.0)" in str(refused.value)


@pytest.mark.parametrize(
    ("expression", "why"), [("'text'", "has no "), ("object()", "has no "), ("1 / 0", "ZeroDivisionError")]
)
def test_a_runtime_that_is_none_is_named_and_runs_nothing(
    plugin: Install, command: Plasm, hello: Path, expression: str, why: str
) -> None:
    plugin("plasm.runtime", "none", f"{EXTENSION}@hookimpl\ndef plasm_runtime(): return {expression}\n")
    refused = command("--runtime", "none", "run", hello, "abc")
    assert (refused.returncode, refused.stdout) == (125, b"")
    assert b"the runtime plugin 'none' (plasm-plugin-test 1.0)" in refused.stderr
    assert why.encode() in refused.stderr
    assert b"Traceback" not in refused.stderr


def test_an_author_of_a_runtime_is_shown_where_it_failed_to_be_made(
    plugin: Install, command: Plasm, hello: Path
) -> None:
    plugin("plasm.runtime", "none", f"{EXTENSION}@hookimpl\ndef plasm_runtime(): return 1 / 0\n")
    refused = command("--runtime", "none", "run", hello, "abc", env={"PLASM_DEBUG": "1"})
    assert b"plasm_runtime(): return 1 / 0" in refused.stderr


def test_a_hook_that_leaves_the_process_does_not_end_it(install: Callable[..., str]) -> None:
    name = install("signing", "plasm_signer", "exit(0)")
    with pytest.raises(PluginError, match="failed in plasm_signer: SystemExit: 0"):
        PluginHost.from_environment().signer(name)


def test_an_author_is_given_the_traceback(install: Callable[..., str]) -> None:
    name = install("signing", "plasm_signer", "1 / 0")
    with pytest.raises(PluginError) as refused:
        PluginHost.from_environment().signer(name)
    assert f"third_party_plasm_plugin_test_{name}.py" in refused.value.trace


def test_needs_that_are_none_are_refused_by_name_and_nothing_is_no_need(install: Callable[..., str]) -> None:
    host = PluginHost.from_environment()
    mode = BootMode("m", "M", {}, BootPolicy(False, False, False, "none"))
    bad, good = (install("extension", "plasm_compose_rootfs", expression) for expression in ("['udp/1']", "None"))
    entries = {entry.name: entry for entry in host.entries}
    assert host.rootfs_needs(mode, [entries[good]]) == RootfsNeeds()
    with pytest.raises(PluginError, match=f"{bad}.*is a list, not a RootfsNeeds"):
        host.rootfs_needs(mode, [entries[bad]])


def test_a_discovery_that_speaks_over_a_transport_is_refused_without_one(
    plugin: Install, install: Callable[..., str]
) -> None:
    name = install("discovery", "plasm_discovery", "None")
    hungry = name + "_hungry"
    plugin("plasm.discovery", hungry, f"{EXTENSION}@hookimpl\ndef plasm_discovery(transport): pass\n")
    host = PluginHost.from_environment()
    assert not host.needs_transport([name])
    assert host.needs_transport([name, hungry])
    with pytest.raises(PluginError, match=f"the discovery plugin '{hungry}' .* speaks over a transport"):
        host.discovery(hungry, PEER, None)
