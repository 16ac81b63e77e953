"""The course of a job in its worker: each state, what may be said in it, and what may not."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from plasm.artifacts.cache import MAX_ARTIFACT_BYTES
from plasm.errors import InvalidModule, LimitNotEnforceable, PlasmError, WorkerFailed
from plasm.execution import frames
from plasm.execution.frames import FrameError
from plasm.execution.parent.conversation import (
    GRACE_SECONDS,
    PREPARATION_SECONDS,
    TRANSITIONS,
    Conversation,
    State,
    Step,
)
from plasm.model import Outcome, OutcomeKind

READY = json.dumps({"name": "lax", "version": "1", "enforces": ["fuel"], "provides": []}).encode()
FAILED = json.dumps({"code": "limit-not-enforceable", "message": "no fuel", "hint": "another"}).encode()
RESULT = json.dumps(
    {
        "kind": "exited",
        "exit_code": 9,
        "trap": None,
        "wall_time_us": 5,
        "cpu_time_us": 4,
        "peak_memory": None,
        "fuel": None,
    }
).encode()

SAID = {
    frames.READY: (Step.READY, READY),
    frames.PREPARING: (Step.PREPARING, b"key"),
    frames.MODULE_WANTED: (Step.MODULE_WANTED, b""),
    frames.COMPILED: (Step.COMPILED, b"code"),
    frames.RUNNING: (Step.RUNNING, b""),
    frames.RESULT: (Step.RESULT, RESULT),
    frames.FAILED: (Step.FAILED, FAILED),
}
"""The frames of a worker, each as the step that it is and with a payload that can be read."""


def loading() -> Conversation:
    return Conversation("lax", ready=False, fresh=True)


def confining() -> Conversation:
    return Conversation("lax", ready=True, fresh=True)


def ordered() -> Conversation:
    return Conversation("lax", ready=True, fresh=False)


def preparing() -> Conversation:
    talk = confining()
    assert talk.receive(frames.PREPARING, b"key") == "key"
    return talk


def restoring() -> Conversation:
    talk = preparing()
    assert talk.answer(artifact_kept=True) == frames.ARTIFACT
    return talk


def compiling() -> Conversation:
    talk = preparing()
    assert talk.answer(artifact_kept=False) == frames.MODULE
    return talk


def running() -> Conversation:
    talk = ordered()
    talk.receive(frames.RUNNING, b"")
    return talk


def stopping() -> Conversation:
    talk = running()
    talk.stop(OutcomeKind.CANCELLED)
    return talk


def ended() -> Conversation:
    talk = running()
    talk.receive(frames.RESULT, RESULT)
    return talk


def killed() -> Conversation:
    talk = running()
    talk.gone()
    return talk


def refused() -> Conversation:
    talk = running()
    talk.receive(frames.FAILED, FAILED)
    return talk


def broken() -> Conversation:
    talk = loading()
    talk.receive(frames.FAILED, FAILED)
    return talk


def elsewhere() -> Conversation:
    talk = ordered()
    talk.receive(frames.PREPARING, b"key")
    assert talk.answer(artifact_kept=False) == frames.ELSEWHERE
    return talk


REACHED: dict[State, Callable[[], Conversation]] = {
    State.LOADING: loading,
    State.CONFINING: confining,
    State.ORDERED: ordered,
    State.PREPARING: preparing,
    State.RESTORING: restoring,
    State.COMPILING: compiling,
    State.RUNNING: running,
    State.STOPPING: stopping,
    State.ENDED: ended,
    State.KILLED: killed,
    State.REFUSED: refused,
    State.BROKEN: broken,
    State.ELSEWHERE: elsewhere,
}
OVER = {State.ENDED, State.KILLED, State.REFUSED, State.BROKEN, State.ELSEWHERE}


@pytest.mark.parametrize("state", State)
def test_each_state_can_be_reached(state: State) -> None:
    talk = REACHED[state]()
    assert talk.state is state
    assert talk.over is (state in OVER)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("tag", SAID)
def test_a_frame_leads_where_the_table_says_and_is_refused_elsewhere(state: State, tag: bytes) -> None:
    talk = REACHED[state]()
    step, payload = SAID[tag]
    following = TRANSITIONS.get((state, step))
    if following is None:
        with pytest.raises(FrameError, match=state):
            talk.receive(tag, payload)
        assert talk.state is state
    else:
        talk.receive(tag, payload)
        assert talk.state is following


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("tag", [frames.JOB, frames.START, frames.MODULE, frames.STDIN, b"1", b"\0"])
def test_a_frame_that_is_not_a_workers_is_refused_everywhere(state: State, tag: bytes) -> None:
    talk = REACHED[state]()
    with pytest.raises(FrameError):
        talk.receive(tag, b"")
    assert talk.state is state


@pytest.mark.parametrize(
    ("state", "tag", "payload"),
    [
        (State.LOADING, frames.READY, b"[]"),
        (State.LOADING, frames.READY, b'{"name":"lax"}'),
        (State.CONFINING, frames.PREPARING, b"../key"),
        (State.CONFINING, frames.PREPARING, b""),
        (State.CONFINING, frames.PREPARING, b"\xff"),
        (State.RUNNING, frames.RESULT, b""),
        (State.RUNNING, frames.RESULT, b"{}"),
        (State.RUNNING, frames.RESULT, RESULT.replace(b"exited", b"crashed").replace(b"9", b"null")),
        (State.RUNNING, frames.RESULT, RESULT.replace(b'"cpu_time_us": 4', b'"cpu_time_us": 9007199254740992')),
        (State.RUNNING, frames.RESULT, RESULT.replace(b'"cpu_time_us": 4', b'"cpu_time_us": -1')),
        (State.RUNNING, frames.RESULT, b"[" * 100_000),
        (State.RUNNING, frames.FAILED, b"{}"),
    ],
)
def test_a_frame_that_cannot_be_read_changes_nothing(state: State, tag: bytes, payload: bytes) -> None:
    talk = REACHED[state]()
    with pytest.raises(FrameError):
        talk.receive(tag, payload)
    assert talk.state is state


def test_a_new_worker_loads_compiles_and_runs() -> None:
    talk = Conversation("lax", ready=False, fresh=True)
    description = talk.receive(frames.READY, READY)
    assert description == ("lax", "1", frozenset({"fuel"}), frozenset())
    assert talk.receive(frames.PREPARING, b"key") == "key"
    assert talk.answer(artifact_kept=False) == frames.MODULE
    talk.receive(frames.COMPILED, b"na")
    talk.receive(frames.COMPILED, b"tive")
    assert talk.receive(frames.RUNNING, b"") == b"native"
    assert talk.artifact_key == "key"
    end = talk.receive(frames.RESULT, RESULT)
    assert end == (Outcome.exited(9), 5, 4, None, None)
    assert talk.state is State.ENDED


def test_an_artifact_that_is_of_no_use_is_made_anew() -> None:
    talk = restoring()
    talk.receive(frames.MODULE_WANTED, b"")
    assert talk.answer(artifact_kept=False) == frames.MODULE
    talk.receive(frames.COMPILED, b"native")
    assert talk.receive(frames.RUNNING, b"") == b"native"


def test_a_worker_that_has_run_jobs_compiles_nothing() -> None:
    talk = ordered()
    talk.receive(frames.PREPARING, b"key")
    assert talk.answer(artifact_kept=True) == frames.ARTIFACT
    with pytest.raises(FrameError):
        talk.receive(frames.COMPILED, b"poison")
    talk.receive(frames.MODULE_WANTED, b"")
    assert talk.answer(artifact_kept=False) == frames.ELSEWHERE
    assert talk.over


def test_an_artifact_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_ARTIFACT_BYTES > frames.MAX_PAYLOAD_BYTES
    monkeypatch.setattr("plasm.execution.parent.conversation.MAX_ARTIFACT_BYTES", 10)
    talk = compiling()
    talk.receive(frames.COMPILED, bytes(10))
    with pytest.raises(FrameError, match="larger"):
        talk.receive(frames.COMPILED, b"1")


def test_a_refusal_is_the_error_that_the_worker_names() -> None:
    error = running().receive(frames.FAILED, FAILED)
    assert isinstance(error, LimitNotEnforceable)
    assert (error.message, error.hint) == ("no fuel", "another")


@pytest.mark.parametrize(
    ("state", "following"),
    [
        (State.LOADING, State.KILLED),
        (State.CONFINING, State.KILLED),
        (State.ORDERED, State.STOPPING),
        (State.RESTORING, State.STOPPING),
        (State.COMPILING, State.STOPPING),
        (State.RUNNING, State.STOPPING),
        (State.STOPPING, State.STOPPING),
        (State.ENDED, State.ENDED),
        (State.KILLED, State.KILLED),
    ],
)
def test_a_job_is_stopped_for_the_first_reason(state: State, following: State) -> None:
    talk = REACHED[state]()
    first = talk.stopped or OutcomeKind.OUTPUT_LIMIT
    talk.stop(OutcomeKind.OUTPUT_LIMIT)
    assert (talk.state, talk.stopped) == (following, first)
    if not talk.over:
        talk.stop(OutcomeKind.FILE_LIMIT)
        talk.timeout()
        assert talk.stopped is first
    assert talk.outcome_of_killed(0) == Outcome(first)


@pytest.mark.parametrize("state", [State.ORDERED, State.RUNNING])
def test_a_deadline_stops_a_job_and_then_kills_it(state: State) -> None:
    talk = REACHED[state]()
    talk.timeout()
    assert (talk.state, talk.stopped) == (State.STOPPING, OutcomeKind.TIMED_OUT)
    talk.timeout()
    assert talk.state is State.KILLED
    assert talk.outcome_of_killed(signal.SIGKILL) == Outcome(OutcomeKind.TIMED_OUT)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (State.LOADING, "loading the runtime"),
        (State.CONFINING, "compiling"),
        (State.RESTORING, "compiling"),
        (State.COMPILING, "compiling"),
    ],
)
def test_a_job_that_is_not_begun_in_time_is_the_workers_failure(state: State, what: str) -> None:
    talk = REACHED[state]()
    with pytest.raises(WorkerFailed, match=f"{what}.* took longer than 120 s"):
        talk.timeout()
    assert talk.state is State.BROKEN


@pytest.mark.parametrize(
    ("state", "kind", "said"),
    [
        (State.LOADING, WorkerFailed, "before it was ready"),
        (State.CONFINING, WorkerFailed, "before it took the job"),
        (State.RESTORING, InvalidModule, "ended while it compiled"),
        (State.COMPILING, InvalidModule, "ended while it compiled"),
    ],
)
def test_a_worker_that_ends_before_the_job_runs_is_told_by_what_it_did(
    state: State, kind: type[PlasmError], said: str
) -> None:
    talk = REACHED[state]()
    with pytest.raises(kind, match=said) as told:
        talk.gone()
    assert talk.state is State.BROKEN
    assert told.value.trace == ""


@pytest.mark.parametrize("state", [State.LOADING, State.CONFINING, State.RESTORING, State.COMPILING])
def test_the_error_has_the_trace_and_its_text_has_not(state: State) -> None:
    with pytest.raises(PlasmError) as told:
        REACHED[state]().gone("ZeroDivisionError")
    assert told.value.trace == "ZeroDivisionError"
    assert "ZeroDivisionError" not in str(told.value)


def test_a_runtime_that_fails_is_not_taken_for_a_module_that_exhausts_it() -> None:
    with pytest.raises(InvalidModule, match="the runtime failed"):
        compiling().gone("ZeroDivisionError")


@pytest.mark.parametrize(
    ("ended_by", "kind"),
    [
        (0, OutcomeKind.CRASHED),
        (signal.SIGSEGV, OutcomeKind.CRASHED),
        (signal.SIGXFSZ, OutcomeKind.FILE_LIMIT),
        (signal.SIGXCPU, OutcomeKind.OUT_OF_CPU_TIME),
    ],
)
@pytest.mark.parametrize("state", [State.ORDERED, State.RUNNING])
def test_a_worker_that_ends_while_the_job_runs_ends_the_job(state: State, ended_by: int, kind: OutcomeKind) -> None:
    talk = REACHED[state]()
    talk.gone()
    assert talk.state is State.KILLED
    assert talk.outcome_of_killed(ended_by) == Outcome(kind)


def test_a_worker_that_ends_while_it_is_stopped_ends_as_it_was_to() -> None:
    talk = stopping()
    talk.gone()
    assert talk.outcome_of_killed(signal.SIGSEGV) == Outcome(OutcomeKind.CANCELLED)


@pytest.mark.parametrize("tag", [frames.PREPARING, frames.MODULE_WANTED])
def test_a_worker_that_is_stopped_and_runs_nothing_is_killed_at_once(tag: bytes) -> None:
    talk = stopping()
    talk.receive(tag, SAID[tag][1])
    assert talk.state is State.KILLED


@pytest.mark.parametrize("tag", [frames.RUNNING, frames.COMPILED])
def test_a_worker_that_is_stopped_gets_no_more_time_by_going_on(tag: bytes) -> None:
    talk = stopping()
    talk.receive(tag, SAID[tag][1])
    assert talk.state is State.STOPPING


def test_a_job_that_ends_before_it_hears_that_it_must_ends_as_it_says() -> None:
    talk = stopping()
    talk.receive(frames.RESULT, RESULT)
    assert talk.outcome(Outcome.exited(9), cut_off=False) == Outcome.exited(9)


def test_what_was_interrupted_or_cut_off_ended_for_our_reason() -> None:
    interrupted = Outcome(OutcomeKind.CANCELLED)
    assert stopping().outcome(interrupted, cut_off=False) == Outcome(OutcomeKind.CANCELLED)
    assert running().outcome(interrupted, cut_off=False) == Outcome(OutcomeKind.CRASHED), "nobody interrupted it"
    talk = ended()
    talk.stop(OutcomeKind.OUTPUT_LIMIT)
    assert talk.outcome(Outcome.exited(9), cut_off=True) == Outcome(OutcomeKind.OUTPUT_LIMIT)


@pytest.mark.parametrize("state", [state for state in State if state not in OVER])
def test_each_state_has_its_time(state: State) -> None:
    expected = {State.ORDERED: 7.0, State.RUNNING: 7.0, State.STOPPING: GRACE_SECONDS}
    talk = REACHED[state]()
    assert talk.patience_s(7.0) == expected.get(state, PREPARATION_SECONDS)
    assert talk.guest_runs is (state in (State.ORDERED, State.RUNNING))
