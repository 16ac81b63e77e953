"""The course of one job in its worker, as the parent follows it: steps in, states out; no I/O.

    LOADING ──▶ CONFINING ──┐
                            ├──▶ PREPARING ──▶ RESTORING or COMPILING ──┐
                ORDERED ────┤            └───▶ ELSEWHERE                │
                            └───────────────────────────────────────────┴──▶ RUNNING ──▶ ENDED
                                                                               │           ▲
                                                                               └▶ STOPPING ┴▶ KILLED

A worker that is LOADING gets its first job before it is ready; one that is ORDERED has run others and may have the
module in memory.  In PREPARING it is the parent's turn.  REFUSED is a job that the worker will not run, BROKEN a worker
that cannot run it.  :data:`TRANSITIONS` has the rest; docs/states.md draws it and says what each state is.

A job is stopped for one reason, the first.  A frame that the table does not have in a state, or that cannot be read, is
as good as the worker's end: whoever moves the machine then says that the worker is gone.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from plasm.artifacts.cache import MAX_ARTIFACT_BYTES
from plasm.errors import InvalidModule, PlasmError, PluginError, WorkerFailed
from plasm.execution import frames
from plasm.execution.frames import FrameError
from plasm.execution.parent import replies
from plasm.execution.parent.replies import GuestEnd, RuntimeDescription
from plasm.model import Outcome, OutcomeKind

PREPARATION_SECONDS: Final = 120.0
GRACE_SECONDS: Final = 0.05


class State(StrEnum):
    """How far the job has come."""

    __hash__ = str.__hash__  # Enum's own is Python code, and every job looks things up by these

    LOADING = "loading"
    CONFINING = "confining"
    ORDERED = "ordered"
    PREPARING = "preparing"
    RESTORING = "restoring"
    COMPILING = "compiling"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"
    KILLED = "killed"
    REFUSED = "refused"
    BROKEN = "broken"
    ELSEWHERE = "elsewhere"


class Step(StrEnum):
    """What happens: a frame of the worker's, a frame that answers it, or something that the parent sees."""

    __hash__ = str.__hash__

    READY = "ready"
    PREPARING = "preparing"
    MODULE_WANTED = "module-wanted"
    COMPILED = "compiled"
    RUNNING = "running"
    RESULT = "result"
    FAILED = "failed"
    ARTIFACT = "artifact"
    MODULE = "module"
    ELSEWHERE = "elsewhere"
    STOP = "stop"
    TIMEOUT = "timeout"
    GONE = "gone"


TRANSITIONS: Final[Mapping[tuple[State, Step], State]] = MappingProxyType(
    {
        (State.LOADING, Step.READY): State.CONFINING,
        (State.LOADING, Step.FAILED): State.BROKEN,
        (State.LOADING, Step.STOP): State.KILLED,
        (State.LOADING, Step.TIMEOUT): State.BROKEN,
        (State.LOADING, Step.GONE): State.BROKEN,
        (State.CONFINING, Step.PREPARING): State.PREPARING,
        (State.CONFINING, Step.FAILED): State.REFUSED,
        (State.CONFINING, Step.STOP): State.KILLED,
        (State.CONFINING, Step.TIMEOUT): State.BROKEN,
        (State.CONFINING, Step.GONE): State.BROKEN,
        (State.ORDERED, Step.PREPARING): State.PREPARING,
        (State.ORDERED, Step.RUNNING): State.RUNNING,
        (State.ORDERED, Step.RESULT): State.ENDED,
        (State.ORDERED, Step.FAILED): State.REFUSED,
        (State.ORDERED, Step.STOP): State.STOPPING,
        (State.ORDERED, Step.TIMEOUT): State.STOPPING,
        (State.ORDERED, Step.GONE): State.KILLED,
        (State.PREPARING, Step.ARTIFACT): State.RESTORING,
        (State.PREPARING, Step.MODULE): State.COMPILING,
        (State.PREPARING, Step.ELSEWHERE): State.ELSEWHERE,
        (State.RESTORING, Step.MODULE_WANTED): State.PREPARING,
        (State.RESTORING, Step.RUNNING): State.RUNNING,
        (State.RESTORING, Step.FAILED): State.REFUSED,
        (State.RESTORING, Step.STOP): State.STOPPING,
        (State.RESTORING, Step.TIMEOUT): State.BROKEN,
        (State.RESTORING, Step.GONE): State.BROKEN,
        (State.COMPILING, Step.COMPILED): State.COMPILING,
        (State.COMPILING, Step.RUNNING): State.RUNNING,
        (State.COMPILING, Step.FAILED): State.REFUSED,
        (State.COMPILING, Step.STOP): State.STOPPING,
        (State.COMPILING, Step.TIMEOUT): State.BROKEN,
        (State.COMPILING, Step.GONE): State.BROKEN,
        (State.RUNNING, Step.RESULT): State.ENDED,
        (State.RUNNING, Step.FAILED): State.REFUSED,
        (State.RUNNING, Step.STOP): State.STOPPING,
        (State.RUNNING, Step.TIMEOUT): State.STOPPING,
        (State.RUNNING, Step.GONE): State.KILLED,
        (State.STOPPING, Step.PREPARING): State.KILLED,
        (State.STOPPING, Step.MODULE_WANTED): State.KILLED,
        (State.STOPPING, Step.COMPILED): State.STOPPING,
        (State.STOPPING, Step.RUNNING): State.STOPPING,
        (State.STOPPING, Step.RESULT): State.ENDED,
        (State.STOPPING, Step.FAILED): State.REFUSED,
        (State.STOPPING, Step.STOP): State.STOPPING,
        (State.STOPPING, Step.TIMEOUT): State.KILLED,
        (State.STOPPING, Step.GONE): State.KILLED,
        # What is left of the output may be too much.
        (State.ENDED, Step.STOP): State.ENDED,
        (State.KILLED, Step.STOP): State.KILLED,
    }
)

_BY_TAG: Final = {
    frames.READY: Step.READY,
    frames.PREPARING: Step.PREPARING,
    frames.MODULE_WANTED: Step.MODULE_WANTED,
    frames.COMPILED: Step.COMPILED,
    frames.RUNNING: Step.RUNNING,
    frames.RESULT: Step.RESULT,
    frames.FAILED: Step.FAILED,
}
_ENDS: Final = frozenset({State.ENDED, State.KILLED, State.REFUSED, State.BROKEN, State.ELSEWHERE})
_ENDS_BY_SIGNAL: Final[dict[int, OutcomeKind]] = {
    signal.SIGXFSZ: OutcomeKind.FILE_LIMIT,
    signal.SIGXCPU: OutcomeKind.OUT_OF_CPU_TIME,
}

Said = GuestEnd | RuntimeDescription | PlasmError | str | bytes | None
"""What a frame says: RESULT, READY, FAILED; PREPARING the artifact's key; RUNNING the whole artifact that was compiled,
empty where none was."""


class Conversation:
    """One job given to a worker of the runtime plugin ``runtime_name`` that is or is not ``ready``, and is ``fresh``
    where it has run no job: only such a one compiles.

    ``stopped`` is why the job is or was stopped, ``artifact_key`` the name of what the module is compiled to.
    """

    def __init__(self, runtime_name: str, *, ready: bool, fresh: bool) -> None:
        self._runtime_name = runtime_name
        self._broken_contract: PluginError | None = None
        self.state = State.LOADING if not ready else State.CONFINING if fresh else State.ORDERED
        self.stopped: OutcomeKind | None = None
        self.artifact_key = ""
        self._artifact = bytearray()
        self._fresh = fresh

    @property
    def over(self) -> bool:
        """Whether the job has ended here, in whatever way."""
        return self.state in _ENDS

    @property
    def guest_runs(self) -> bool:
        """Whether the job itself may be running: its limits count, and the runtime can be interrupted."""
        return self.state is State.RUNNING or self.state is State.ORDERED

    def patience_s(self, wall_time_s: float) -> float:
        """For how many seconds this state may last; a job may run for ``wall_time_s``."""
        if self.guest_runs:
            return wall_time_s
        return GRACE_SECONDS if self.state is State.STOPPING else PREPARATION_SECONDS

    def receive(self, tag: bytes, payload: bytes) -> Said:
        """Take a frame from the worker; returns what it says.

        Raises:
            FrameError: not to be said now, or not understood; nothing has changed.
        """
        step = _BY_TAG.get(tag)
        if step is None or (following := TRANSITIONS.get((self.state, step))) is None:
            raise FrameError(f"the frame {tag!r} while {self.state}")
        said: Said = None
        if step is Step.RESULT:
            said = replies.result(payload)
        elif step is Step.READY:
            said = replies.description(payload)
        elif step is Step.FAILED:
            said = replies.refusal(payload)
        elif step is Step.PREPARING:
            said = self.artifact_key = self._checked_key(payload)
        elif step is Step.COMPILED:
            if len(self._artifact) + len(payload) > MAX_ARTIFACT_BYTES:
                raise FrameError("an artifact larger than any that is kept")
            self._artifact += payload
        elif step is Step.RUNNING:
            said = bytes(self._artifact)
        self.state = following
        return said

    def answer(self, *, artifact_kept: bool) -> bytes:
        """The tag of the frame by which PREPARING is left: the artifact where it is kept, else the module for a fresh
        worker, else the job goes elsewhere."""
        if artifact_kept:
            self._move(Step.ARTIFACT)
            return frames.ARTIFACT
        if self._fresh:
            self._move(Step.MODULE)
            return frames.MODULE
        self._move(Step.ELSEWHERE)
        return frames.ELSEWHERE

    def stop(self, kind: OutcomeKind) -> None:
        """The job has to end as ``kind``: a limit has been passed, or nobody wants it any more."""
        self._move(Step.STOP)
        self.stopped = self.stopped or kind

    def timeout(self) -> None:
        """The state has lasted for longer than it may.

        Raises:
            WorkerFailed: before the job ran.
        """
        before = self.state
        self._move(Step.TIMEOUT)
        if self.state is State.BROKEN:
            what = "loading the runtime" if before is State.LOADING else "compiling the module"
            raise WorkerFailed(f"{what} took longer than {PREPARATION_SECONDS:.0f} s")
        self.stopped = self.stopped or OutcomeKind.TIMED_OUT

    def gone(self, trace: str = "") -> None:
        """The worker has ended, or has broken the protocol; ``trace`` is why, where it has said so.

        Raises:
            WorkerFailed: before it took the job.
            PluginError: the same, for its runtime broke its contract.
            InvalidModule: while it made the module ready.
        """
        before = self.state
        self._move(Step.GONE)
        if self.state is State.BROKEN:
            error = self._broken_contract or _failure(before, self._runtime_name, raised=bool(trace))
            error.trace = trace
            raise error

    def outcome(self, said: Outcome, *, cut_off: bool) -> Outcome:
        """How the job ended of which the worker says ``said`` and whose output was ``cut_off`` or not."""
        if cut_off or said.kind is OutcomeKind.CANCELLED:
            return Outcome(self.stopped or OutcomeKind.CRASHED)
        return said

    def outcome_of_killed(self, ended_by: int) -> Outcome:
        """How a job ended whose worker ended by the signal ``ended_by``, or by itself (0)."""
        return Outcome(self.stopped or _ENDS_BY_SIGNAL.get(ended_by, OutcomeKind.CRASHED))

    def _checked_key(self, payload: bytes) -> str:
        try:
            return replies.artifact_key(payload)
        except FrameError:
            self._broken_contract = PluginError(
                f"the runtime {self._runtime_name!r} gave an artifact key that breaks its contract",
                hint="its author should see artifact_key in plasm.contracts.Runtime",
            )
            raise

    def _move(self, step: Step) -> None:
        self.state = TRANSITIONS[self.state, step]


def ended_while_loading(runtime_name: str) -> WorkerFailed:
    """The error for a worker process that has ended, or does not speak as it should, while it loads its runtime."""
    return WorkerFailed(
        f"the worker process of the runtime {runtime_name!r} ended before it was ready",
        hint="its plasm_runtime may end the process; PLASM_DEBUG=1 shows what it writes to stderr",
    )


def _failure(state: State, runtime_name: str, *, raised: bool) -> PlasmError:
    """The error for a job whose worker ended in ``state``, before the job ran."""
    check = f"run: plasm plugins check {runtime_name}"
    if state is State.LOADING:
        return ended_while_loading(runtime_name)
    if state is State.CONFINING:
        return WorkerFailed("the worker process ended before it took the job", hint=check)
    if raised:
        return InvalidModule("the runtime failed while it compiled the module", hint=check)
    return InvalidModule(
        "the worker process ended while it compiled the module", hint="it may be made to exhaust compilers"
    )
