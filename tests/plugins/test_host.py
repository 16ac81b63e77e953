"""The plugin host: a third party's plugin gets exactly what ours get, and a broken one harms nobody but itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plasm.config import Config
from plasm.errors import IdentityMissing, PluginError, PluginIncompatible, PluginNotFound
from plasm.plugins import PluginHost, PluginKind, installed_plugins
from world import Plasm

Install = Callable[..., None]

RUNTIME = """
import os
from plasm.contracts.runtime import Execution
from plasm.hookspecs import hookimpl
from plasm.model import LimitKind, Outcome

PLASM_HOOK_API = 1

class Parrot:
    name, version, enforces, provides = "parrot", "3.2.1", frozenset(), frozenset()
    def artifact_key(self, terms): return "key"
    def compile(self, module, terms): return module
    def dump(self, compiled): return compiled
    def load(self, artifact, terms): return artifact
    def execute(self, compiled, call, terms):
        os.write(call.stdout, " ".join(call.invocation.args).encode())
        return Execution(Outcome.exited(0))
    def interrupt(self): pass

@hookimpl
def plasm_runtime(config): return Parrot()
"""

SIGNER = """
import nacl.signing
from plasm.hookspecs import hookimpl

PLASM_HOOK_API = 1

class Fixed:
    _key = nacl.signing.SigningKey(bytes(32))
    public_key = bytes(_key.verify_key)
    def sign(self, message): return self._key.sign(message).signature

@hookimpl
def plasm_signer(config): return Fixed()
"""

EXTENSION = """
import pathlib
from plasm.hookspecs import hookimpl

PLASM_HOOK_API = 1
NOTES = pathlib.Path(__file__).with_name("notes")

def note(*words):
    with NOTES.open("a") as file:
        print(*words, file=file)

@hookimpl
def plasm_admit_job(config, manifest, peer):
    return "forbidden words" if "forbidden" in manifest.invocation.args else None

@hookimpl
def plasm_job_event(job_id, event, outcome): note(event, outcome)

@hookimpl
def plasm_receipt_issued(job_id, receipt): note("receipt", len(receipt) > 100)

@hookimpl
def plasm_cli(app):
    @app.command()
    def shout(word: str) -> None:
        "Print a word in capitals."
        print(word.upper())
"""


@pytest.fixture
def host() -> Callable[..., PluginHost]:
    import os

    return lambda **variables: PluginHost(Config.from_environment({**os.environ, **variables}))


def with_third_party(plasm: Plasm, tmp_path: Path) -> Plasm:
    """The command, in an environment where pip has installed what the test made."""
    return lambda *arguments, env=None, **more: plasm(
        *arguments, env={"PYTHONPATH": str(tmp_path / "third-party"), **(env or {})}, **more
    )


def test_a_third_partys_runtime_and_signer_run_a_job_and_sign_for_it(
    plugin: Install, plasm: Plasm, hello: Path, tmp_path: Path
) -> None:
    plugin("plasm.runtime", "parrot", RUNTIME)
    plugin("plasm.signing", "fixed", SIGNER)
    run = with_third_party(plasm, tmp_path)
    receipt = tmp_path / "r.json"
    done = run("--runtime", "parrot", "--signer", "fixed", "run", hello, "a", "b c", "--receipt", receipt)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"a b c", b"")
    claims = json.loads(plasm("verify", receipt, "--json").stdout)["claims"]
    assert claims["predicate"]["runtime"] == {"name": "parrot", "version": "3.2.1"}


def test_an_extension_admits_watches_and_adds_commands(
    plugin: Install, plasm: Plasm, hello: Path, tmp_path: Path
) -> None:
    plugin("plasm.extension", "watch", EXTENSION)
    run = with_third_party(plasm, tmp_path)
    assert run("shout", "hey").stdout == b"HEY\n"
    assert b"shout" in run("--help").stdout
    assert run("run", hello, "x", "--receipt", tmp_path / "r").returncode == 0
    refused = run("run", hello, "forbidden")
    assert refused.returncode == 126
    assert b"error[not-admitted]: the job is not admitted: forbidden words (extension 'watch')" in refused.stderr
    notes = (tmp_path / "third-party" / "notes").read_text().splitlines()
    assert notes == ["started None", "finished exited with code 0", "receipt True"]


def test_listing_imports_no_plugin(plugin: Install, plasm: Plasm, tmp_path: Path) -> None:
    plugin("plasm.runtime", "bomb", "raise SystemExit('imported')")
    rows = json.loads(with_third_party(plasm, tmp_path)("plugins", "--json").stdout)
    assert {"kind": "runtime", "name": "bomb", "version": "1.0", "distribution": "plasm-plugin-test"}.items() <= next(
        row for row in rows if row["name"] == "bomb"
    ).items()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import does_not_exist", "No module named 'does_not_exist'"),
        ("raise SystemExit(3)", "SystemExit"),
        ("1 +", "SyntaxError"),
        ("PLASM_HOOK_API = 99", "speaks hook API 99"),
        ("", "lacks the line PLASM_HOOK_API = 1"),
    ],
)
def test_a_broken_plugin_is_reported_by_name_and_the_others_work(
    plugin: Install, plasm: Plasm, hello: Path, tmp_path: Path, source: str, why: str
) -> None:
    plugin("plasm.runtime", "broken", source)
    plugin("plasm.discovery", "broken-too", source)
    run = with_third_party(plasm, tmp_path)
    tried = run("plugins", "--load", "--json")
    assert tried.returncode == 125
    rows = {(row["kind"], row["name"]): row for row in json.loads(tried.stdout)}
    assert rows["runtime", "broken"]["state"] == "broken"
    assert why in rows["runtime", "broken"]["why"]
    assert rows["runtime", "wasmtime"]["state"] == "loaded"
    assert run("run", hello, "abc").stdout == b"cba\n"
    chosen = run("--runtime", "broken", "run", hello, "abc")
    assert chosen.returncode == 125
    assert b"'broken' (plasm-plugin-test 1.0)" in chosen.stderr
    assert why.encode() in chosen.stderr


def test_a_plugin_that_does_not_fit_its_hook_is_told(plugin: Install, host: Callable[..., PluginHost]) -> None:
    plugin(
        "plasm.signing",
        "misfit",
        "from plasm.hookspecs import hookimpl\nPLASM_HOOK_API = 1\n@hookimpl\ndef plasm_signer(confg): pass",
    )
    with pytest.raises(PluginError, match=r"misfit.*does not fit the hooks"):
        host().signer("misfit")


def test_a_plugin_without_its_hook_is_told(plugin: Install, host: Callable[..., PluginHost]) -> None:
    plugin("plasm.signing", "empty", "PLASM_HOOK_API = 1")
    with pytest.raises(PluginError, match=r"empty.*has no plasm_signer"):
        host().signer("empty")


def test_an_error_in_a_hook_names_plugin_and_hook(plugin: Install, host: Callable[..., PluginHost]) -> None:
    plugin("plasm.signing", "failing", SIGNER.replace("return Fixed()", "return 1 / 0"))
    with pytest.raises(PluginError, match=r"failing.*failed in plasm_signer: ZeroDivisionError"):
        host().signer("failing")


def test_an_unknown_name_lists_what_is_installed_and_what_to_install(host: Callable[..., PluginHost]) -> None:
    with pytest.raises(PluginNotFound) as caught:
        host().select(PluginKind.RUNTIME, "nosuch")
    assert "wasmtime; try: pip install" in caught.value.hint
    assert "pip install plasm-plugin-runtime-nosuch" in caught.value.hint


def test_a_disabled_plugin_is_not_used(host: Callable[..., PluginHost], plasm: Plasm) -> None:
    for setting in ("wasmtime", "runtime:wasmtime", "ed25519, wasmtime"):
        with pytest.raises(PluginNotFound, match="disabled"):
            host(PLASM_DISABLE_PLUGINS=setting).select(PluginKind.RUNTIME, "wasmtime")
    rows = json.loads(plasm("plugins", "--json", env={"PLASM_DISABLE_PLUGINS": "signing:ed25519"}).stdout)
    states = {row["name"]: row["state"] for row in rows}
    assert (states.pop("ed25519"), set(states.values())) == ("disabled", {"installed"})


def test_two_distributions_with_one_name_are_a_conflict(plugin: Install, host: Callable[..., PluginHost]) -> None:
    plugin("plasm.runtime", "twin", RUNTIME, distribution="plasm-plugin-one")
    plugin("plasm.runtime", "twin", RUNTIME, distribution="plasm-plugin-two")
    with pytest.raises(PluginError, match="plasm-plugin-one and plasm-plugin-two both provide"):
        host().select(PluginKind.RUNTIME, "twin")


def runtimes(host: Callable[..., PluginHost]) -> str:
    """The runtimes that are installed here, as ``PLASM_DISABLE_PLUGINS`` names them."""
    return ",".join(entry.name for entry in host().entries if entry.kind is PluginKind.RUNTIME)


def test_the_only_runtime_is_the_default(plugin: Install, host: Callable[..., PluginHost]) -> None:
    others = runtimes(host)
    plugin("plasm.runtime", "parrot", RUNTIME)
    assert host().select(PluginKind.RUNTIME).name == "wasmtime"
    assert host(PLASM_DISABLE_PLUGINS=others).select(PluginKind.RUNTIME).name == "parrot"


def test_without_any_runtime_the_error_says_what_to_install(host: Callable[..., PluginHost]) -> None:
    with pytest.raises(PluginNotFound, match="wasmtime"):
        host(PLASM_DISABLE_PLUGINS=runtimes(host)).select(PluginKind.RUNTIME)


def test_an_incompatible_plugin_has_its_own_error(plugin: Install, host: Callable[..., PluginHost]) -> None:
    plugin("plasm.signing", "future", "PLASM_HOOK_API = 2")
    with pytest.raises(PluginIncompatible, match="speaks hook API 2, this Plasm speaks 1"):
        host().signer("future")


def test_our_signer_says_when_there_is_no_key(host: Callable[..., PluginHost]) -> None:
    with pytest.raises(IdentityMissing):
        host().signer()


def test_the_index_is_read_again_after_an_installation(plugin: Install, tmp_path: Path) -> None:
    before = installed_plugins(tmp_path / "cache")
    plugin("plasm.runtime", "late", RUNTIME)
    after = installed_plugins(tmp_path / "cache")
    assert {entry.name for entry in after} - {entry.name for entry in before} == {"late"}
    assert installed_plugins(tmp_path / "cache") == after


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"fingerprint": []}', b"\xff", b'{"fingerprint": 1, "plugins": 2}']
)
def test_a_damaged_index_is_made_anew(tmp_path: Path, content: bytes) -> None:
    good = installed_plugins(tmp_path)
    (tmp_path / "plugins.json").write_bytes(content)
    assert installed_plugins(tmp_path) == good


@pytest.mark.parametrize("module", ["plasm", "plasm.hookspecs", "plasm_runtime_wasmtime", "plasm_signing_ed25519"])
def test_importing_the_front_doors_loads_nothing_heavy(module: str) -> None:
    heavy = ["wasmtime", "nacl", "cattrs", "rich", "typer", "asyncio", "importlib.metadata"]
    check = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_key_is_made_once_however_many_need_it_at_the_same_time(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        receipts = [tmp_path / f"receipt{number}" for number in range(8)]
        done = list(threads.map(lambda receipt: plasm("run", hello, "x", "--receipt", receipt), receipts))
    assert [each.returncode for each in done] == [0] * 8, done
    peer = plasm("identity").stdout.decode().strip()
    assert all(plasm("verify", receipt, "--signer", peer).returncode == 0 for receipt in receipts)
