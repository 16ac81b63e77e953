"""What a worker says in control frames: JSON, none of it trusted, each field checked before it is used."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from plasm.artifacts.cache import is_artifact_key
from plasm.errors import InvalidInput, PlasmError, by_code
from plasm.execution.frames import FrameError
from plasm.model import Outcome, OutcomeKind, TrapKind
from plasm.model.quantities import is_safe_count

_ENDS_OF_A_GUEST: Final = frozenset(
    {
        OutcomeKind.EXITED,
        OutcomeKind.TRAPPED,
        OutcomeKind.OUT_OF_MEMORY,
        OutcomeKind.OUT_OF_FUEL,
        OutcomeKind.CANCELLED,
    }
)


class RuntimeDescription(NamedTuple):
    """A worker's runtime: what it keeps and provides, by the names of ``LimitKind`` and ``Feature``."""

    name: str
    version: str
    enforces: frozenset[str] = frozenset()
    provides: frozenset[str] = frozenset()


class GuestEnd(NamedTuple):
    """How a job ended as its runtime tells it; ``None`` where it does not measure."""

    outcome: Outcome
    wall_time_us: int
    cpu_time_us: int
    peak_memory: int | None
    fuel: int | None


def description(payload: bytes) -> RuntimeDescription:
    """What READY says.

    Raises:
        FrameError: it cannot be read.
    """
    said = _parse(payload)
    try:
        return RuntimeDescription(
            str(said["name"]), str(said["version"]), frozenset(said["enforces"]), frozenset(said["provides"])
        )
    except (KeyError, TypeError):
        raise FrameError("not a description") from None


def artifact_key(payload: bytes) -> str:
    """What PREPARING says.

    Raises:
        FrameError: no key, or one that cannot be a file's name.
    """
    key = payload.decode("ascii", "replace")
    if not is_artifact_key(key):
        raise FrameError("not an artifact key")
    return key


def refusal(payload: bytes) -> PlasmError:
    """What FAILED says, as the error to raise.

    Raises:
        FrameError: it cannot be read.
    """
    said = _parse(payload)
    try:
        return by_code(said["code"])(str(said["message"]), hint=str(said["hint"]))
    except KeyError:
        raise FrameError("not a failure") from None


def result(payload: bytes) -> GuestEnd:
    """What RESULT says.

    Raises:
        FrameError: it cannot be read, or an outcome that is the parent's to tell.
    """
    said = _parse(payload)
    try:
        trap = said["trap"] and TrapKind(said["trap"])
        end = GuestEnd(
            Outcome(OutcomeKind(said["kind"]), _number(said["exit_code"]), trap),
            _number(said["wall_time_us"]) or 0,
            _number(said["cpu_time_us"]) or 0,
            _number(said["peak_memory"]),
            _number(said["fuel"]),
        )
    except (ValueError, KeyError, TypeError, InvalidInput):
        raise FrameError("not a result") from None
    if end.outcome.kind not in _ENDS_OF_A_GUEST:
        raise FrameError("an outcome that is not the worker's to tell")
    return end


def _number(value: object) -> int | None:
    if value is None or is_safe_count(value):
        return value
    raise ValueError("not a number of anything")


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        said = json.loads(payload.decode())
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise FrameError("not a JSON object")
    return said
