"""The kit has teeth: what a runtime does wrong is told by the name of the behaviour, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plasm.cli.app import main
from plasm.errors import ExitStatus
from plasm.model import TrapKind
from plasm.testing import RuntimeContract, checking
from plasm.testing.checking import Result, State, check, runtime_contract
from world import Plasm

pytestmark = pytest.mark.once

Install = Callable[..., None]

BENT = """
import os
from attrs import evolve
from plasm.contracts.runtime import Execution
from plasm.errors import FeatureNotProvided
from plasm.hookspecs import hookimpl
from plasm.model import Feature, LimitKind, Mount, Outcome, OutcomeKind, Preopen, TrapKind
from plasm_runtime_wasmtime.runtime import WasmtimeRuntime

PLASM_HOOK_API = 1

class Bent(WasmtimeRuntime):
    kept = []
    def straight(self, compiled, call, terms):
        return super().execute(compiled, call, terms)
%s

@hookimpl
def plasm_runtime(config): return Bent()
"""

# What it does in place of the right thing; which behaviours must fail for it, and which must not.
WRONG = {
    "drops empty arguments": (
        """
        given = call.invocation
        call = call._replace(invocation=evolve(given, args=[each for each in given.args if each]))
        """,
        ["test_arguments_arrive_as_they_were_given"],
        ["test_arguments_may_be_long_and_many"],
    ),
    "inherits variables": (
        """
        given = call.invocation
        call = call._replace(invocation=evolve(given, env={"PATH": "/bin", **given.env}))
        """,
        ["test_no_variable_is_inherited", "test_environment_is_what_was_given"],
        ["test_arguments_arrive_as_they_were_given"],
    ),
    "has no standard input": (
        "call = call._replace(stdin=None)",
        ["test_stdin_of_ten_megabytes_passes_through", "test_input_and_output_flow_while_the_job_runs"],
        ["test_no_stdin_is_an_empty_one"],
    ),
    "mixes its outputs": (
        "call = call._replace(stderr=call.stdout)",
        ["test_stdout_and_stderr_are_kept_apart"],
        ["test_output_may_be_any_bytes"],
    ),
    "keeps eight bits of an exit code": (
        """
        done = self.straight(compiled, call, terms)
        code = done.outcome.exit_code
        return done if code is None else done._replace(outcome=Outcome.exited(code & 255))
        """,
        ["test_an_exit_code_above_255_is_kept"],
        ["test_exit_codes_up_to_255_are_the_jobs_own"],
    ),
    "loses output at a trap": (
        """
        reading, writing = os.pipe()
        done = self.straight(compiled, call._replace(stdout=writing), terms)
        os.close(writing)
        while data := os.read(reading, 65536):
            if done.outcome.trap is None:
                os.write(call.stdout, data)
        os.close(reading)
        return done
        """,
        ["test_output_before_a_trap_is_kept"],
        ["test_output_may_be_any_bytes", "test_trap_unreachable"],
    ),
    "tells no trap from another": (
        """
        done = self.straight(compiled, call, terms)
        return done if done.outcome.trap is None else done._replace(outcome=Outcome.trapped(TrapKind.OTHER))
        """,
        ["test_trap_unreachable", "test_trap_integer_overflow"],
        ["test_a_start_section_may_exit"],
    ),
    "ignores that a folder is read-only": (
        """
        call = call._replace(
            preopens=tuple(Preopen(each.host, Mount(each.mount.guest)) for each in call.preopens)
        )
        """,
        [
            "test_a_folder_that_is_writable_elsewhere_can_be_read_only",
            "test_nothing_is_moved_out_of_a_read_only_folder",
        ],
        ["test_files_of_a_folder_can_be_read"],
    ),
    "gives every job the whole disk": (
        'call = call._replace(preopens=(*call.preopens, Preopen("/", Mount("/", read_only=True))))',
        ["test_a_job_without_folders_sees_none", "test_an_absolute_path_does_not_lead_out_of_a_folder"],
        ["test_a_folder_can_be_listed"],
    ),
    "ignores the clock and the seed": (
        "terms = terms._replace(determinism=None)",
        ["test_the_deterministic_clock_is_the_virtual_one", "test_deterministic_random_bytes_grow_from_the_seed"],
        ["test_deterministic_streams_tell_nothing_of_the_machine"],
    ),
    "ignores the memory limit that it says it enforces": (
        "terms = terms._replace(limits=evolve(terms.limits, memory=2**32))",
        ["test_memory_does_not_grow_beyond_its_limit"],
        ["test_memory_can_be_used_up_to_its_limit"],
    ),
    "counts no fuel": (
        """
        return self.straight(compiled, call, terms)._replace(fuel=None)
        """,
        ["test_fuel_is_counted_the_same_each_time"],
        ["test_the_largest_use_of_memory_is_told"],
    ),
    "refuses what it says it provides": (
        """
        if call.preopens:
            raise FeatureNotProvided("no folders today")
        """,
        ["test_files_of_a_folder_can_be_read", "test_dots_do_not_lead_out_of_a_folder"],
        ["test_a_job_without_folders_sees_none"],
    ),
    "keeps something of each job": (
        "self.kept.append((bytearray(2**20), os.dup(0)))",
        ["test_a_hundred_jobs_leave_a_worker_as_it_was"],
        ["test_nothing_of_a_job_is_left_for_the_next_one"],
    ),
}


def bent(execute: str = "", fields: str = "") -> str:
    """A runtime that is right but for what ``execute`` does first, or for its ``fields``."""
    lines = [line.strip("\n") for line in execute.splitlines() if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    body = "".join(f"        {line[margin:]}\n" for line in lines)
    method = f"    def execute(self, compiled, call, terms):\n{body}        return self.straight(compiled, call, terms)"
    return BENT % "\n".join([f"    {fields}", method])


def results(contract: type[RuntimeContract], *tests: str) -> dict[str, Result]:
    return {result.test: result for result in check(contract, tests)}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_by_name(plugin: Install, wrong: str) -> None:
    execute, failing, passing = WRONG[wrong]
    plugin("plasm.runtime", "bent", bent(execute))
    found = results(runtime_contract("bent"), *failing, *passing)
    assert {test for test, result in found.items() if result.state is State.FAILED} == set(failing), found
    assert all(found[test].why for test in failing)


def test_an_artifact_that_cannot_be_loaded_must_be_told_as_such(plugin: Install) -> None:
    plugin("plasm.runtime", "bent", bent(fields="def load(self, artifact, terms): return Module.deserialize(artifact)"))
    found = results(runtime_contract("bent"), "test_an_artifact_of_no_use_is_made_anew")
    assert found["test_an_artifact_of_no_use_is_made_anew"].state is State.FAILED


def test_what_a_runtime_says_it_cannot_do_is_declared(plugin: Install) -> None:
    plugin("plasm.runtime", "bent", bent(fields="enforces, provides = frozenset(), frozenset()"))
    declared = {
        "test_a_loop_ends_out_of_fuel": "fuel",
        "test_files_of_a_folder_can_be_read": "folders",
        "test_deterministic_random_bytes_grow_from_the_seed": "determinism",
    }
    found = results(runtime_contract("bent"), *declared, "test_a_loop_ends_at_its_deadline")
    for test, word in declared.items():
        assert found[test].state is State.DECLARED, found[test]
        assert word in found[test].why
    assert found["test_a_loop_ends_at_its_deadline"].state is State.PASSED


def test_determinism_may_be_refused_to_some_modules(plugin: Install) -> None:
    refuses = """
        if terms.determinism is not None and not call.stdin:
            raise FeatureNotProvided("a module that imports a clock gets no determinism here")
    """
    plugin("plasm.runtime", "bent", bent(refuses))
    found = results(
        runtime_contract("bent"),
        "test_the_deterministic_clock_is_the_virtual_one",
        "test_a_deterministic_job_gives_the_same_bytes_in_two_workers",
    )
    assert [result.state for result in found.values()] == [State.DECLARED, State.PASSED], found


def test_traps_may_be_vague_where_the_subclass_says_so(plugin: Install) -> None:
    plugin("plasm.runtime", "bent", bent(WRONG["tells no trap from another"][0]))

    class Vague(RuntimeContract):
        runtime = "bent"
        vague_traps = frozenset({TrapKind.UNREACHABLE})

    found = results(Vague, "test_trap_unreachable", "test_trap_integer_overflow")
    assert [result.state for result in found.values()] == [State.DECLARED, State.FAILED]


def test_the_reason_fits_in_one_line_and_says_what_was_found(plugin: Install) -> None:
    plugin("plasm.runtime", "bent", bent("call = call._replace(stderr=call.stdout)"))
    (found,) = results(runtime_contract("bent"), "test_stdout_and_stderr_are_kept_apart").values()
    assert found.behaviour == "Standard output and standard error are kept apart"
    assert "600 bytes on stdout" in found.why
    assert "\n" not in found.why


def test_every_behaviour_reads_like_documentation() -> None:
    tests = [getattr(RuntimeContract, name) for name in dir(RuntimeContract) if name.startswith("test_")]
    assert len(tests) > 80
    for test in tests:
        assert test.__doc__, test
        assert test.__doc__.endswith("."), test
        assert len(test.__doc__) < 120, test
        assert "\n" not in test.__doc__, test


def test_the_command_checks_a_runtime(plasm: Plasm) -> None:
    done = plasm("plugins", "check", "wasmtime", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0, [row for row in document["behaviours"] if row["state"] == "failed"]
    assert done.stderr == b""
    assert document["runtime"] == "wasmtime"
    assert document["failed"] == 0
    assert document["passed"] + document["declared"] == len(document["behaviours"]) > 80


def test_the_command_says_what_failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        checking,
        "check",
        lambda contract: [
            Result("test_a", "It does one thing", State.PASSED),
            Result("test_b", "It does another", State.DECLARED, "the runtime cannot"),
            Result("test_c", "It does a third", State.FAILED, "the job\x1b exited"),
        ],
    )
    assert main(["plugins", "check", "wasmtime"]) == ExitStatus.FAILED
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "passed    It does one thing",
        "declared  It does another: the runtime cannot",
        "failed    It does a third: the job\\x1b exited",
    ]
    assert lines[3].endswith(": 1 passed, 1 declared, 1 failed")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["check", "nosuch"], "plugin-not-found", "nosuch"),
        (["check", "ed25519"], "invalid-input", "signing plugin, and there is no kit"),
        (["--json", "check", "wasmtime"], "invalid-input", "before"),
        (["check"], "invalid-input", "NAME"),
    ],
)
def test_the_command_says_what_cannot_be_checked(plasm: Plasm, words: list[str], code: str, said: str) -> None:
    done = plasm("plugins", *words)
    assert done.returncode == 125
    assert code in (done.stdout + done.stderr).decode()
    assert said in (done.stdout + done.stderr).decode()


def test_a_runtime_that_cannot_be_made_is_told_once(plugin: Install, plasm: Plasm, tmp_path: Path) -> None:
    plugin("plasm.runtime", "broken", "raise ImportError('no engine here')")
    done = plasm("plugins", "check", "broken", env={"PYTHONPATH": str(tmp_path / "third-party")})
    assert done.returncode == 125
    assert done.stdout == b""
    assert b"no engine here" in done.stderr


def test_a_runtime_that_raises_is_told_with_its_traceback(plugin: Install) -> None:
    plugin("plasm.runtime", "bent", bent("1 / 0"))
    (found,) = results(runtime_contract("bent"), "test_output_may_be_any_bytes").values()
    assert found.state is State.FAILED
    assert "crashed" in found.why
    assert "in execute" in found.trace
    assert found.trace.endswith("ZeroDivisionError: division by zero\n")


def test_a_runtime_that_cannot_be_made_is_told_with_its_traceback(plugin: Install) -> None:
    plugin("plasm.runtime", "bent", bent().replace("return Bent()", "raise SystemExit('no engine')"))
    (found,) = results(runtime_contract("bent"), "test_output_may_be_any_bytes").values()
    assert found.state is State.FAILED
    assert "no engine" in found.trace


def test_the_command_shows_the_traceback_below_the_behaviour(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = Result("test_a", "It does one thing", State.FAILED, "the job crashed", "Traceback:\n  over\x1bthere\n")
    monkeypatch.setattr(checking, "check", lambda contract: [failed])
    assert main(["plugins", "check", "wasmtime"]) == ExitStatus.FAILED
    assert capsys.readouterr().out.splitlines()[:3] == [
        "failed    It does one thing: the job crashed",
        "    Traceback:",
        "      over\\x1bthere",
    ]
