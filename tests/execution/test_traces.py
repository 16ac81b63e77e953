"""An author sees why a runtime failed, and nobody else does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from execution.conftest import LAX_RUNTIME, MakeJob, Start, doing

from plasm import LocalClient, OutcomeKind
from plasm.errors import PlasmError, PluginError
from plasm.execution.frames import MAX_TRACE_BYTES
from plasm.jobs.claims import claims
from plasm.jobs.sinks import CollectingSink
from world import Plasm

Install = Callable[..., None]

IN_FACTORY = LAX_RUNTIME.replace("return Lax()", "raise SystemExit('no engine')")
IN_KEY = LAX_RUNTIME.replace('return "key"', "return 1 / 0")
IN_COMPILE = LAX_RUNTIME.replace("return module", "return 1 / 0")
IN_LOAD = LAX_RUNTIME.replace("return artifact", "return 1 / 0")


@pytest.fixture
def lax_environment(tmp_path: Path) -> dict[str, str]:
    """What lets the command find third parties' plugins."""
    return {"PYTHONPATH": str(tmp_path / "third-party")}


def test_a_runtime_that_raises_in_a_job_leaves_its_traceback_in_the_report(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    plugin("plasm.runtime", "lax", doing("1 / 0"))
    with start("lax") as executor:
        report = executor.run(job(hello), CollectingSink())
    assert report.outcome.kind is OutcomeKind.CRASHED
    assert report.trace.startswith("Traceback")
    assert "in execute" in report.trace
    assert report.trace.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("raised", ["EOFError", "BrokenPipeError", "KeyboardInterrupt", "SystemExit", "MemoryError"])
def test_whatever_a_runtime_raises_is_traced(
    start: Start, plugin: Install, job: MakeJob, hello: Path, raised: str
) -> None:
    plugin("plasm.runtime", "lax", doing(f"raise {raised}"))
    with start("lax") as executor:
        report = executor.run(job(hello), CollectingSink())
    assert report.outcome.kind is OutcomeKind.CRASHED
    assert raised in report.trace.splitlines()[-1]


def test_a_runtime_that_raises_is_not_kept_waiting_by_the_jobs_input(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    plugin("plasm.runtime", "lax", doing("1 / 0"))
    silent, never = os.pipe()
    with start("lax") as executor:
        report = executor.run(job(hello), CollectingSink(), stdin=silent)
    assert report.outcome.kind is OutcomeKind.CRASHED
    assert "ZeroDivisionError" in report.trace
    os.close(silent)
    os.close(never)


def test_a_long_traceback_keeps_its_end(start: Start, plugin: Install, job: MakeJob, hello: Path) -> None:
    plugin("plasm.runtime", "lax", doing("raise ValueError('ä\\udcff' * 100_000 + ' the end')"))
    with start("lax") as executor:
        trace = executor.run(job(hello), CollectingSink()).trace
    assert trace.endswith("the end\n")
    assert MAX_TRACE_BYTES // 2 < len(trace) <= MAX_TRACE_BYTES


def test_a_worker_that_says_more_than_it_may_is_cut_short(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    long = "os.write(4, b't' + (2**20).to_bytes(4, 'little')); os.write(4, b'x' * 2**20); os._exit(1)"
    plugin("plasm.runtime", "lax", doing(long))
    with start("lax") as executor:
        trace = executor.run(job(hello), CollectingSink()).trace
    assert trace == "x" * MAX_TRACE_BYTES


def test_a_job_that_ends_well_has_no_trace(start: Start, plugin: Install, job: MakeJob, hello: Path) -> None:
    plugin("plasm.runtime", "lax", doing("os.write(4, b't' + (3).to_bytes(4, 'little') + b'lie')"))
    with start("lax") as executor:
        report = executor.run(job(hello), CollectingSink())
    assert report.outcome.exit_code == 9
    assert report.trace == ""


@pytest.mark.parametrize(
    ("source", "message", "trace"),
    [
        (IN_FACTORY, "the runtime plugin 'lax' .* failed in plasm_runtime", "in plasm_runtime\n"),
        (IN_KEY, "before it took the job", "ZeroDivisionError"),
        (IN_COMPILE, "the runtime failed while it compiled", "ZeroDivisionError"),
    ],
)
def test_an_error_carries_the_traceback_and_does_not_say_it(
    start: Start, plugin: Install, job: MakeJob, hello: Path, source: str, message: str, trace: str
) -> None:
    plugin("plasm.runtime", "lax", source)
    with start("lax") as executor, pytest.raises(PlasmError, match=message) as told:
        executor.run(job(hello), CollectingSink())
    assert trace in told.value.trace
    assert trace not in str(told.value)


def test_a_runtime_that_raises_on_loading_an_artifact_is_traced(
    start: Start, plugin: Install, job: MakeJob, hello: Path
) -> None:
    plugin("plasm.runtime", "lax", IN_LOAD)
    with start("lax") as executor:
        executor.run(job(hello), CollectingSink())
    with start("lax") as executor, pytest.raises(PlasmError) as told:
        executor.run(job(hello), CollectingSink())
    assert "in load" in told.value.trace


def test_describing_a_runtime_that_cannot_be_made_is_traced(start: Start, plugin: Install) -> None:
    plugin("plasm.runtime", "lax", IN_FACTORY)
    with start("lax") as executor, pytest.raises(PluginError) as told:
        executor.describe()
    assert "no engine" in told.value.trace


def test_no_receipt_has_a_trace(plugin: Install, job: MakeJob, hello: Path) -> None:
    plugin("plasm.runtime", "lax", doing("raise ValueError('secret')"))
    with LocalClient(runtime="lax") as client:
        completed = client.run(job(hello), CollectingSink())
        assert "secret" in completed.report.trace
        receipt = claims(completed.job, completed.report, node=client.peer_id, job_id="00" * 16, nonce="00" * 32)
        assert "secret" not in repr(attrs.astuple(receipt))
        assert b"secret" not in client.sign(completed)
    assert "secret" not in repr(completed.report)


def test_the_command_says_how_to_see_why(
    plugin: Install, plasm: Plasm, hello: Path, lax_environment: dict[str, str]
) -> None:
    plugin("plasm.runtime", "lax", doing("raise ValueError('over\\x1b[31mthere')"))
    done = plasm("run", "--runtime", "lax", hello, env=lax_environment)
    assert done.returncode == 125
    assert done.stderr.decode() == "plasm: the job crashed (PLASM_DEBUG=1 shows why)\n"


def test_the_command_shows_why_where_it_is_asked_to(
    plugin: Install, plasm: Plasm, hello: Path, lax_environment: dict[str, str]
) -> None:
    plugin("plasm.runtime", "lax", doing("raise ValueError('over\\x1b[31mthere')"))
    done = plasm("run", "--runtime", "lax", hello, env={"PLASM_DEBUG": "1", **lax_environment})
    lines = done.stderr.decode().splitlines()
    assert lines[:2] == ["plasm: the job crashed", "Traceback (most recent call last):"]
    assert lines[-1] == "ValueError: over\\x1b[31mthere"
    assert lines.count(lines[-1]) == 1, "the worker's own stderr says it no second time"


def test_the_command_shows_where_a_runtime_failed_to_compile(
    plugin: Install, plasm: Plasm, hello: Path, lax_environment: dict[str, str]
) -> None:
    plugin("plasm.runtime", "lax", IN_COMPILE)
    quiet = plasm("run", "--runtime", "lax", hello, env=lax_environment)
    assert quiet.returncode == 125
    assert quiet.stderr.decode() == (
        f"plasm: error[invalid-module]: {hello}: the runtime failed while it compiled the module "
        "(run: plasm plugins check lax)\n"
    )
    told = plasm("run", "--runtime", "lax", hello, env={"PLASM_DEBUG": "1", **lax_environment})
    assert told.stderr.decode().splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_json_has_no_trace(plugin: Install, plasm: Plasm, hello: Path, lax_environment: dict[str, str]) -> None:
    plugin("plasm.runtime", "lax", doing("raise ValueError('secret')"))
    done = plasm("run", "--json", "--runtime", "lax", hello, env={"PLASM_DEBUG": "1", **lax_environment})
    assert b"crashed" in done.stdout
    assert b"secret" not in done.stdout
    assert b"secret" in done.stderr
