"""What the objects that plugins made do wrong is told as the plugin's failure, by its name."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from plugins.conftest import EXTENSION, Install

from plasm.contracts import PeerRecord
from plasm.errors import PeerUnreachable, PluginError
from plasm.model import PeerId
from plasm.plugins import PluginHost
from plasm.signatures import EphemeralSigner
from world import Plasm

PEER = PeerId(bytes(32))
RECORD = PeerRecord(PEER, ["/memory/1"])

CONTEXT = """
class Made:
    async def __aenter__(self): return self
    async def __aexit__(self, *_): pass
    async def advertise(self, record, capabilities): pass
    async def find(self, capability):
        return
        yield
    async def listen(self, addresses, handler, protocols): return []
    async def dial(self, record, *, payload=0): pass
class Faulty(Made):
"""
SIGNER = """
class Faulty:
    public_key = bytes(32)
    def sign(self, message): {}
"""

Use = Callable[[Any], Awaitable[object]]


async def enter(made: Any) -> None:
    async with made:
        pass


async def search(discovery: Any) -> None:
    async for _ in discovery.find(None):
        pass


FAULTS: dict[str, tuple[str, str, Use, str]] = {
    "entering": ("discovery", "async def __aenter__(self): 1 / 0", enter, "__aenter__: ZeroDivisionError"),
    "entering, too late": ("discovery", "async def __aenter__(self): raise TimeoutError", enter, "__aenter__: Timeout"),
    "leaving": ("discovery", "async def __aexit__(self, *_): 1 / 0", enter, "__aexit__: ZeroDivisionError"),
    "leaving, in a group": (
        "transport",
        "async def __aexit__(self, *_): raise ExceptionGroup('all', [KeyError('one')])",
        enter,
        "__aexit__: KeyError",
    ),
    "leaving the process": ("transport", "async def __aenter__(self): exit(3)", enter, "__aenter__: SystemExit: 3"),
    "advertising": (
        "discovery",
        "async def advertise(self, *_): 1 / 0",
        lambda made: made.advertise(RECORD, []),
        "advertise: ZeroDivisionError",
    ),
    "finding": ("discovery", "async def find(self, *_): yield 1 / 0", search, "find: ZeroDivisionError"),
    "finding nonsense": (
        "discovery",
        "async def find(self, *_): yield 'a peer'",
        search,
        "find: TypeError: .*PeerRecord",
    ),
    "finding by no iterator": ("discovery", "def find(self, *_): return []", search, "find: TypeError"),
    "listening": (
        "transport",
        "async def listen(self, *_): 1 / 0",
        lambda made: made.listen([], None, []),
        "listen: ZeroDivisionError",
    ),
    "listening nowhere": (
        "transport",
        "async def listen(self, *_): return None",
        lambda made: made.listen([], None, []),
        "listen: TypeError",
    ),
    "listening at numbers": (
        "transport",
        "async def listen(self, *_): return [4001]",
        lambda made: made.listen([], None, []),
        "listen: TypeError: it gave a int, not str",
    ),
    "listening at one text": (
        "transport",
        "async def listen(self, *_): return '/memory/1'",
        lambda made: made.listen([], None, []),
        "listen: TypeError: it returned one text",
    ),
    "dialling": (
        "transport",
        "async def dial(self, record, *, payload=0): 1 / 0",
        lambda made: made.dial(RECORD),
        "dial: ZeroDivisionError",
    ),
    "dialling nothing": ("transport", "pass", lambda made: made.dial(RECORD), "dial: TypeError: .*is nothing"),
}


@pytest.fixture
def make(plugin: Install) -> Callable[[str, str], Any]:
    """What a plugin made whose class has this body."""

    def install(kind: str, body: str) -> Any:
        name = f"guarded{len(os.listdir(Path(sys.path[0])))}"
        sys.modules.pop(f"third_party_plasm_plugin_test_{name}", None)
        source = f"{EXTENSION}{CONTEXT}    {body}\n@hookimpl\ndef plasm_{kind}(): return Faulty()\n"
        plugin(f"plasm.{kind}", name, source)
        host = PluginHost.from_environment()
        return host.discovery(name, PEER, None) if kind == "discovery" else host.transport(EphemeralSigner(), name)

    return install


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_the_plugins_by_name(make: Callable[[str, str], Any], fault: str) -> None:
    kind, body, use, why = FAULTS[fault]
    made = make(kind, body)
    with pytest.raises(PluginError, match=rf"the {kind} plugin 'guarded.*' .* failed in {why}") as failed:
        anyio.run(use, made, backend="trio")
    assert failed.value.trace


def test_errors_of_plasms_and_lost_streams_pass_as_they_are(make: Callable[[str, str], Any]) -> None:
    unreachable = "from plasm.errors import PeerUnreachable\n        raise PeerUnreachable('gone')"
    made = make("transport", f"async def dial(self, record, *, payload=0):\n        {unreachable}")
    with pytest.raises(PeerUnreachable):
        anyio.run(made.dial, RECORD, backend="trio")
    made = make("discovery", "async def advertise(self, *_):\n        import anyio\n        raise anyio.EndOfStream")
    with pytest.raises(anyio.EndOfStream):
        anyio.run(made.advertise, RECORD, [], backend="trio")


def test_what_is_raised_in_the_block_is_nobodys_but_its_own(make: Callable[[str, str], Any]) -> None:
    async def fail(made: Any) -> None:
        async with made:
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        anyio.run(fail, make("discovery", "pass"), backend="trio")
    grouping = "async def __aexit__(self, kind, error, trace): raise ExceptionGroup('all', [error])"
    with pytest.raises(ExceptionGroup) as raised:
        anyio.run(fail, make("transport", grouping), backend="trio")
    assert raised.group_contains(KeyError, match="ours")


def test_a_method_that_is_cancelled_is_not_to_blame(make: Callable[[str, str], Any]) -> None:
    made = make(
        "discovery", "async def advertise(self, *_):\n        import anyio\n        await anyio.sleep_forever()"
    )

    async def give_up() -> bool:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await made.advertise(RECORD, [])
        return scope.cancelled_caught

    assert anyio.run(give_up, backend="trio")


def test_an_object_that_is_guarded_is_still_of_its_class(make: Callable[[str, str], Any]) -> None:
    made = make("discovery", "colour = 'blue'")
    assert isinstance(made, sys.modules[type(made._made).__module__].Faulty)
    assert made.colour == "blue"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("return 'signature'", "TypeError: it gave a str, not bytes"),
    ],
)
def test_a_signer_that_fails_to_sign_is_named(
    plugin: Install, command: Plasm, hello: Path, tmp_path: Path, body: str, why: str
) -> None:
    source = EXTENSION + SIGNER.format(body) + "@hookimpl\ndef plasm_signer(): return Faulty()\n"
    plugin("plasm.signing", "vault", source)
    failed = command("--signer", "vault", "run", hello, "abc", "--receipt", tmp_path / "receipt")
    assert failed.returncode == 125
    title = "error[plugin-failed]: the signing plugin 'vault' (plasm-plugin-test 1.0) failed in sign"
    assert f"{title}: {why}" in failed.stderr.decode()


def test_a_signature_that_does_not_hold_leads_its_author_to_the_contract(
    plugin: Install, command: Plasm, hello: Path, tmp_path: Path
) -> None:
    source = EXTENSION + SIGNER.format("return bytes(64)") + "@hookimpl\ndef plasm_signer(): return Faulty()\n"
    plugin("plasm.signing", "vault", source)
    failed = command("--signer", "vault", "run", hello, "abc", "--receipt", tmp_path / "receipt")
    assert b"error[identity-unusable]" in failed.stderr
    assert b"plasm.contracts.Signer" in failed.stderr


@pytest.mark.parametrize("key", ["'../key'", "''", "None", "b'key'", "'\\ud800'"])
def test_an_artifact_key_that_breaks_its_contract_is_the_runtimes_fault(
    plugin: Install, command: Plasm, hello: Path, key: str
) -> None:
    from plugins.test_host import RUNTIME

    plugin("plasm.runtime", "parrot", RUNTIME.replace('return "key"', f"return {key}"))
    failed = command("--runtime", "parrot", "run", hello)
    assert failed.returncode == 125
    said = "error[plugin-failed]: the runtime 'parrot' gave an artifact key that breaks its contract"
    assert said in failed.stderr.decode()
