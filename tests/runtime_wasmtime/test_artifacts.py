"""A compiled module can be kept and taken up again by the same engine on a like machine, and by no other."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest
from runtime_wasmtime.guests import command, exiting

import plasm_runtime_wasmtime as plugin
from plasm.contracts import Call, Runtime, Terms
from plasm.errors import InvalidModule
from plasm.model import Invocation, Limits, Outcome

PLAIN, FUELED = Terms(Limits()), Terms(Limits(fuel=1000))


@pytest.fixture
def artifact(runtime: Runtime) -> bytes:
    return runtime.dump(runtime.compile(exiting(5), PLAIN))


@pytest.fixture
def fresh() -> Runtime:
    """The runtime of another process."""
    return plugin.plasm_runtime(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [PLAIN, FUELED], ids=["plain", "counting fuel"])
def test_an_artifact_runs_in_another_process(runtime: Runtime, fresh: Runtime, limits: Limits) -> None:
    artifact = runtime.dump(runtime.compile(exiting(5), limits))
    execution = fresh.execute(fresh.load(artifact, limits), Call(Invocation(), 1, 2), limits)
    assert execution.outcome == Outcome.exited(5)


@pytest.mark.parametrize(
    "damage",
    [
        lambda artifact: b"",
        lambda artifact: b"garbage",
        lambda artifact: artifact[:100],
        lambda artifact: artifact[: len(artifact) // 2],
        lambda artifact: exiting(5),
    ],
    ids=["empty", "garbage", "a header", "a half", "a module"],
)
def test_what_is_not_an_artifact_is_refused(runtime: Runtime, artifact: bytes, damage: object) -> None:
    assert callable(damage)
    with pytest.raises(InvalidModule, match="the compiled artifact cannot be used"):
        runtime.load(damage(artifact), PLAIN)


def test_an_artifact_that_counts_no_fuel_is_refused_where_fuel_counts(runtime: Runtime, artifact: bytes) -> None:
    with pytest.raises(InvalidModule):
        runtime.load(artifact, FUELED)


def test_an_artifact_for_a_processor_with_more_features_is_refused(runtime: Runtime, artifact: bytes) -> None:
    absent = re.search(rb"has_\w+?(?=\x02\x00)", artifact)
    if absent is None:
        pytest.skip("this processor has every feature that the engine knows")
    with pytest.raises(InvalidModule, match="not available on the host"):
        runtime.load(artifact[: absent.end()] + b"\x02\x01" + artifact[absent.end() + 2 :], PLAIN)


def test_the_key_names_what_an_artifact_depends_on(runtime: Runtime) -> None:
    key = runtime.artifact_key(PLAIN)
    assert re.fullmatch(r"[A-Za-z0-9._+-]{1,100}", key)
    assert runtime.version in key
    assert key == runtime.artifact_key(Terms(Limits(memory=2**20, wall_time=1000)))
    assert key != runtime.artifact_key(FUELED)


def test_the_version_is_the_installed_distributions(runtime: Runtime) -> None:
    assert (runtime.name, runtime.version) == ("wasmtime", version("wasmtime"))


def test_compiling_twice_gives_independent_modules(runtime: Runtime) -> None:
    first, second = runtime.compile(exiting(1), PLAIN), runtime.compile(command(), PLAIN)
    assert runtime.execute(first, Call(Invocation(), 1, 2), PLAIN).outcome == Outcome.exited(1)
    assert runtime.execute(second, Call(Invocation(), 1, 2), PLAIN).outcome == Outcome.exited(0)
