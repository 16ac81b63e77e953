"""Extensions: one that cannot be used stops what it might be there to stop; one that fails harms nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plugins.conftest import EXTENSION, Install

from world import Plasm

UNUSABLE = {
    "a library that is missing": ("import does_not_exist", "No module named 'does_not_exist'"),
    "an exception at import": (EXTENSION + "1 / 0", "ZeroDivisionError"),
    "another hook API": ("PLASM_HOOK_API = 99", "speaks hook API 99"),
    "no hook API": ("", "lacks the line PLASM_HOOK_API = 1 in its module"),
    "a hook API that is a text": ("PLASM_HOOK_API = '1'", "PLASM_HOOK_API = '1', which must be a whole number"),
    "a hook that is misspelt": (
        EXTENSION + "@hookimpl\ndef plasm_admit_jobs(manifest): pass",
        "there is no hook plasm_admit_jobs; did you mean plasm_admit_job?",
    ),
    "an argument that would never come": (
        EXTENSION + "@hookimpl\ndef plasm_admit_job(*, manifest): pass",
        "takes arguments by keyword only",
    ),
    "an argument that is misspelt": (
        EXTENSION + "@hookimpl\ndef plasm_admit_job(manifesto): pass",
        "plasm_admit_job has no argument 'manifesto'; its arguments are: config, manifest, peer",
    ),
    "arguments by position that would never come": (
        EXTENSION + "@hookimpl\ndef plasm_admit_job(*arguments): pass",
        "plasm_admit_job takes *arguments",
    ),
    "arguments by name that would never come": (
        EXTENSION + "@hookimpl\ndef plasm_admit_job(manifest, **others): pass",
        "plasm_admit_job takes **others",
    ),
    "an async hook": (EXTENSION + "@hookimpl\nasync def plasm_admit_job(manifest): pass", "plasm_admit_job is async"),
    "a hook that is a generator": (
        EXTENSION + "@hookimpl\ndef plasm_admit_job(manifest): yield",
        "plasm_admit_job is a generator",
    ),
    "no hook": (EXTENSION, "provides none of the hooks of an extension: plasm_admit_job, "),
    "only the hook of another kind": (
        EXTENSION + "@hookimpl\ndef plasm_signer(config): pass",
        "provides none of the hooks of an extension: plasm_admit_job, ",
    ),
    "a hook without its marker": (
        EXTENSION + "@hookimpl\ndef plasm_cli(app): pass\ndef plasm_admit_job(manifest): return 'no'",
        "plasm_admit_job lacks @hookimpl",
    ),
}

FAILS_IN_EVERYTHING = (
    EXTENSION
    + """
@hookimpl
def plasm_job_event(job_id, event, outcome): raise RuntimeError(f"not {event}")
@hookimpl
def plasm_receipt_issued(job_id, receipt): raise SystemExit(3)
@hookimpl
def plasm_cli(app): raise KeyError("not now")
"""
)

WITNESS = (
    EXTENSION
    + """
import pathlib
NOTES = pathlib.Path(__file__).with_name("notes")
def note(*words):
    with NOTES.open("a") as file: print(*words, file=file)
@hookimpl
def plasm_job_event(job_id, event, outcome): note(type(event).__name__, event, outcome)
@hookimpl
def plasm_receipt_issued(job_id, receipt): note("receipt")
@hookimpl
def plasm_cli(app):
    @app.command()
    def hello() -> None: print("hello")
"""
)


@pytest.mark.parametrize("fault", UNUSABLE)
def test_a_job_is_not_run_without_an_extension_that_is_installed(
    plugin: Install, command: Plasm, hello: Path, fault: str
) -> None:
    source, why = UNUSABLE[fault]
    plugin("plasm.extension", "gate", source)
    refused = command("run", hello, "abc")
    assert (refused.returncode, refused.stdout) == (125, b"")
    for said in ("the extension plugin 'gate' (plasm-plugin-test 1.0)", why, "PLASM_DISABLE_PLUGINS=extension:gate"):
        assert said in refused.stderr.decode()
    (row,) = (row for row in json.loads(command("plugins", "--json").stdout) if row["name"] == "gate")
    assert (row["state"], why in row["why"]) == ("broken", True)
    assert command("run", hello, "abc", env={"PLASM_DISABLE_PLUGINS": "extension:gate"}).stdout == b"cba\n"


@pytest.mark.parametrize("fault", ["a library that is missing", "a hook that is misspelt"])
def test_a_node_does_not_start_without_an_extension_that_is_installed(
    plugin: Install, command: Plasm, fault: str
) -> None:
    source, why = UNUSABLE[fault]
    plugin("plasm.extension", "gate", source)
    refused = command("start", "--discovery", "none", "--listen", "/ip4/127.0.0.1/tcp/0")
    assert refused.returncode == 125
    assert "the extension plugin 'gate' (plasm-plugin-test 1.0)" in refused.stderr.decode()
    assert why in refused.stderr.decode()


def test_a_missing_attribute_of_an_entry_point_is_an_extension_that_cannot_be_used(
    plugin: Install, command: Plasm, hello: Path, tmp_path: Path
) -> None:
    plugin("plasm.extension", "gate", EXTENSION)
    (points,) = (tmp_path / "third-party").glob("*/entry_points.txt")
    points.write_text(points.read_text().rstrip() + ":nothing\n")
    refused = command("run", hello, "abc")
    assert (refused.returncode, refused.stdout) == (125, b"")
    assert b"AttributeError" in refused.stderr


def test_an_extension_that_two_distributions_provide_stops_a_job(plugin: Install, command: Plasm, hello: Path) -> None:
    plugin("plasm.extension", "twin", EXTENSION, distribution="plasm-plugin-one")
    plugin("plasm.extension", "twin", EXTENSION, distribution="plasm-plugin-two")
    refused = command("run", hello, "abc")
    assert (refused.returncode, refused.stdout) == (125, b"")
    assert b"plasm-plugin-one and plasm-plugin-two both provide the extension plugin 'twin'" in refused.stderr
    assert command("plugins").returncode == 0
    assert command("plugins", "--load").returncode == 125


def test_an_observer_that_fails_is_named_and_the_job_its_receipt_and_other_observers_go_on(
    plugin: Install, command: Plasm, hello: Path, tmp_path: Path
) -> None:
    plugin("plasm.extension", "faulty", FAILS_IN_EVERYTHING, distribution="plasm-plugin-faulty")
    plugin("plasm.extension", "witness", WITNESS, distribution="plasm-plugin-witness")
    receipt = tmp_path / "receipt.json"
    assert command("identity", "new").returncode == 0
    done = command("run", hello, "abc", "--receipt", receipt)
    assert (done.returncode, done.stdout) == (0, b"cba\n")
    assert command("verify", receipt, "--module", hello).returncode == 0
    title = "plasm: warning[plugin-failed]: the extension plugin 'faulty' (plasm-plugin-faulty 1.0) failed in"
    assert done.stderr.decode().splitlines() == [
        f"{title} plasm_job_event: RuntimeError: not started",
        f"{title} plasm_job_event: RuntimeError: not finished",
        f"{title} plasm_receipt_issued: SystemExit: 3",
    ]
    notes = (tmp_path / "third-party" / "notes").read_text().splitlines()
    assert notes == ["JobEvent started None", "JobEvent finished exited with code 0", "receipt"]


@pytest.mark.parametrize(
    "raised", ["__import__('asyncio').CancelledError", "type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})"]
)
def test_whatever_is_raised_the_job_its_receipt_and_the_help_go_on(
    plugin: Install, command: Plasm, hello: Path, tmp_path: Path, raised: str
) -> None:
    hooks = ("plasm_job_event(event)", "plasm_receipt_issued(receipt)", "plasm_cli(app)")
    plugin(
        "plasm.extension", "faulty", EXTENSION + "".join(f"@hookimpl\ndef {hook}: raise {raised}\n" for hook in hooks)
    )
    done = command("run", hello, "abc", "--receipt", tmp_path / "receipt.json")
    assert (done.returncode, done.stdout) == (0, b"cba\n")
    assert done.stderr.decode().count("the extension plugin 'faulty'") == 3
    helped = command("--help")
    assert helped.returncode == 0
    assert "failed in plasm_cli" in helped.stderr.decode()


def test_an_author_is_shown_where_an_observer_failed(plugin: Install, command: Plasm, hello: Path) -> None:
    plugin("plasm.extension", "faulty", FAILS_IN_EVERYTHING)
    shown = command("run", hello, "abc", env={"PLASM_DEBUG": "1"}).stderr.decode()
    assert "third_party_plasm_plugin_test_faulty.py" in shown
    assert 'raise RuntimeError(f"not {event}")' in shown


def test_help_and_other_commands_do_without_those_of_an_extension_that_fails(plugin: Install, command: Plasm) -> None:
    plugin("plasm.extension", "faulty", FAILS_IN_EVERYTHING, distribution="plasm-plugin-faulty")
    plugin("plasm.extension", "misspelt", UNUSABLE["a hook that is misspelt"][0], distribution="plasm-plugin-misspelt")
    plugin("plasm.extension", "witness", WITNESS, distribution="plasm-plugin-witness")
    help_ = command("--help")
    assert help_.returncode == 0
    assert b"Run a WebAssembly job on this machine" in help_.stdout
    warnings = help_.stderr.decode().splitlines()
    assert len(warnings) == 2
    assert "'faulty' (plasm-plugin-faulty 1.0) failed in plasm_cli: KeyError: 'not now'" in warnings[0]
    assert "'misspelt' (plasm-plugin-misspelt 1.0) does not fit the hooks" in warnings[1]
    assert command("hello").stdout == b"hello\n"
    unknown = command("nosuch")
    assert unknown.returncode == 125
    assert b"error[invalid-input]: no such command 'nosuch'" in unknown.stderr


def test_a_mistake_in_an_extensions_command_is_the_extensions(plugin: Install, command: Plasm) -> None:
    source = EXTENSION + "@hookimpl\ndef plasm_cli(app):\n    @app.command()\n    def divide() -> None: 1 / 0"
    plugin("plasm.extension", "faulty", source)
    failed = command("divide")
    assert failed.returncode == 125
    title = "the extension plugin 'faulty' (plasm-plugin-test 1.0)"
    assert f"error[plugin-failed]: {title} failed in its command: ZeroDivisionError" in failed.stderr.decode()


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        ("raise ValueError('a secret')", "ValueError: a secret"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("raise __import__('asyncio').CancelledError", "CancelledError"),
        ("raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})", "Mute: <exception str() failed>"),
        ("return ''", "it returned '', which is neither a reason nor None"),
        ("return ' '", "it returned ' ', which is neither a reason nor None"),
        ("return True", "it returned True, which is neither a reason nor None"),
        ("return 42", "it returned 42, which is neither a reason nor None"),
    ],
)
def test_an_extension_that_does_not_decide_refuses_the_job_by_its_name(
    plugin: Install, command: Plasm, hello: Path, body: str, reported: str
) -> None:
    plugin("plasm.extension", "gate", EXTENSION + f"@hookimpl\ndef plasm_admit_job(manifest):\n    {body}")
    refused = command("run", hello, "abc")
    assert (refused.returncode, refused.stdout) == (126, b"")
    warning, error = refused.stderr.decode().splitlines()
    assert error == "plasm: error[not-admitted]: the job is not admitted: the extension 'gate' failed to decide"
    assert "the extension plugin 'gate' (plasm-plugin-test 1.0) failed in plasm_admit_job" in warning
    assert reported in warning


def test_a_reason_cannot_write_to_the_terminal(plugin: Install, command: Plasm, hello: Path) -> None:
    body = "return '\\x1b[2J' + '\\ud800' + 'x' * 5000"
    plugin("plasm.extension", "gate", EXTENSION + f"@hookimpl\ndef plasm_admit_job(manifest):\n    {body}")
    refused = command("run", hello, "abc")
    assert refused.returncode == 126
    assert b"not admitted: \\x1b[2J\\ud800xxx" in refused.stderr
    assert b"x (extension 'gate')" in refused.stderr
    assert len(refused.stderr) < 1100


def test_what_plugins_print_does_not_come_between_a_jobs_output(
    plugin: Install, command: Plasm, hello: Path, tmp_path: Path
) -> None:
    chatty = (
        EXTENSION
        + """
print("imported")
@hookimpl
def plasm_admit_job(manifest): print("admitted", flush=True)
@hookimpl
def plasm_job_event(event): print("event", event)
@hookimpl
def plasm_receipt_issued(receipt): print("receipt")
"""
    )
    plugin("plasm.extension", "chatty", chatty)
    done = command("run", hello, "abc", "--receipt", tmp_path / "r")
    assert done.stdout == b"cba\n"
    for said in (b"imported", b"admitted", b"event started", b"event finished", b"receipt"):
        assert said in done.stderr
    assert json.loads(command("run", hello, "abc", "--json").stdout)["outcome"]["kind"] == "exited"
