"""``plasm plugins --load`` finds out whether plugins work by having them do what they are for."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from plugins.conftest import EXTENSION, Install, Tried
from plugins.test_host import RUNTIME, SIGNER

from world import Plasm, plasm_environment


def hook(signature: str, *body: str) -> str:
    return EXTENSION + f"@hookimpl\ndef {signature}:\n    " + "\n    ".join(body) + "\n"


FAULTS = {
    "a misspelt hook": ("signing", hook("plasm_singer(config)", "pass"), "plasm_singer"),
    "no hook": ("transport", EXTENSION, "has no plasm_transport"),
    "a library that is missing inside a hook": (
        "runtime",
        hook("plasm_runtime(config)", "import does_not_exist"),
        "failed in plasm_runtime: ModuleNotFoundError: No module named 'does_not_exist'",
    ),
    "a text for a runtime": ("runtime", hook("plasm_runtime(config)", "return 'me'"), "what plasm_runtime returned"),
    "a text for a signer": ("signing", hook("plasm_signer(config)", "return 'me'"), "what plasm_signer returned"),
    "a text for a transport": ("transport", hook("plasm_transport(config)", "return 'me'"), "returned has no"),
    "a text for a discovery": ("discovery", hook("plasm_discovery(node)", "return 'me'"), "returned has no"),
    "a text for a boot mode": ("boot_mode", hook("plasm_boot_mode()", "return 'me'"), "is a str, not a BootMode"),
    "a text for needs": ("signing", SIGNER + hook("plasm_compose_rootfs(mode)", "return 'me'"), "not a RootfsNeeds"),
    "commands that cannot be added": ("extension", hook("plasm_cli(app)", "1 / 0"), "failed in plasm_cli"),
    "a command that cannot be read": (
        "extension",
        hook("plasm_cli(app)", "@app.command()", "def go(what: object) -> None: pass"),
        "failed in plasm_cli: RuntimeError",
    ),
    "an admission that is misspelt": ("extension", hook("plasm_admit(manifest)", "pass"), "plasm_admit"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plugin_that_does_not_work_is_broken_and_the_others_are_not(
    plugin: Install, command: Plasm, fault: str
) -> None:
    kind, source, why = FAULTS[fault]
    plugin(f"plasm.{kind}", "faulty", source)
    done = command("plugins", "--load", "--json")
    assert done.returncode == 125
    states = {(row["name"], row["state"]) for row in json.loads(done.stdout)}
    assert {name for name, state in states if state != "loaded"} == {"faulty"}
    (row,) = (row for row in json.loads(done.stdout) if row["name"] == "faulty")
    assert row["state"] == "broken"
    assert "'faulty' (plasm-plugin-test 1.0)" in row["why"]
    assert why in row["why"]


def test_plugins_that_work_are_loaded_even_without_a_key(plugin: Install, command: Plasm) -> None:
    plugin("plasm.runtime", "parrot", RUNTIME + "print('made')")
    plugin("plasm.extension", "quiet", hook("plasm_job_event(event)", "pass"))
    done = command("plugins", "--load", "--json")
    assert done.returncode == 0
    assert {row["state"] for row in json.loads(done.stdout)} == {"loaded"}


@pytest.mark.parametrize(("kind", "factory"), [("signing", "plasm_signer"), ("runtime", "plasm_runtime")])
def test_an_author_sees_where_a_hook_failed(plugin: Install, command: Plasm, kind: str, factory: str) -> None:
    plugin(f"plasm.{kind}", "faulty", hook(f"{factory}(config)", "return 1 / 0"))
    shown = command("plugins", "--load").stderr.decode()
    assert "third_party_plasm_plugin_test_faulty.py" in shown
    assert "return 1 / 0" in shown


def test_a_runtime_whose_factory_leaves_the_process_is_not_told_to_try_what_was_tried(
    plugin: Install, command: Plasm
) -> None:
    plugin("plasm.runtime", "leaver", "import os\n" + hook("plasm_runtime(config)", "os._exit(0)"))
    done = command("plugins", "--load", "--json")
    (row,) = (row for row in json.loads(done.stdout) if row["name"] == "leaver")
    assert row["state"] == "broken"
    assert "the worker process of the runtime 'leaver' ended before it was ready" in row["why"]
    assert "plasm plugins" not in row["why"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_whose_factory_hangs_does_not_outlive_the_command(
    plugin: Install, third_party: dict[str, str], tmp_path: Path, how: signal.Signals
) -> None:
    told = tmp_path / "pid"
    os.mkfifo(told)
    hangs = hook(
        "plasm_runtime(config)",
        "import os, time",
        f"with open({str(told)!r}, 'w') as file: file.write(str(os.getpid()))",
        "while True: time.sleep(3600)",
    )
    plugin("plasm.runtime", "hangs", hangs)
    command = [sys.executable, "-m", "plasm", "plugins", "check", "hangs"]
    with subprocess.Popen(command, env=plasm_environment(**third_party)) as process:
        worker = os.pidfd_open(int(told.read_text()))
        process.send_signal(how)
    ended = select.poll()
    ended.register(worker, select.POLLIN)
    try:
        assert ended.poll(30_000)
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(worker, signal.SIGKILL)
        os.close(worker)


def test_a_disabled_plugin_is_not_tried(plugin: Install, command: Plasm, tried: Tried) -> None:
    plugin("plasm.extension", "faulty", "1 / 0")
    assert tried()["faulty"]["state"] == "broken"
    done = command("plugins", "--load", "--json", env={"PLASM_DISABLE_PLUGINS": "extension:faulty"})
    assert done.returncode == 0
