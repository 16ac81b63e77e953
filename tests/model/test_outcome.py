"""Outcomes and the exit statuses that a shell sees."""

import pytest

from plasm.errors import InvalidInput
from plasm.model import Outcome, OutcomeKind, TrapKind


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.exited(0), 0),
        (Outcome.exited(123), 123),
        (Outcome.exited(124), 123),
        (Outcome.exited(2**32 - 1), 123),
        (Outcome.trapped(TrapKind.UNREACHABLE), 134),
        (Outcome(OutcomeKind.TIMED_OUT), 124),
        (Outcome(OutcomeKind.OUT_OF_MEMORY), 126),
        (Outcome(OutcomeKind.OUT_OF_FUEL), 126),
        (Outcome(OutcomeKind.OUTPUT_LIMIT), 126),
        (Outcome(OutcomeKind.CANCELLED), 130),
        (Outcome(OutcomeKind.CRASHED), 125),
    ],
)
def test_every_outcome_has_its_exit_status(outcome: Outcome, status: int) -> None:
    assert outcome.exit_status == status


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": OutcomeKind.EXITED},
        {"kind": OutcomeKind.EXITED, "exit_code": -1},
        {"kind": OutcomeKind.EXITED, "exit_code": 2**32},
        {"kind": OutcomeKind.TRAPPED},
        {"kind": OutcomeKind.TIMED_OUT, "exit_code": 0},
        {"kind": OutcomeKind.EXITED, "exit_code": 0, "trap": TrapKind.OTHER},
    ],
)
def test_an_outcome_that_contradicts_itself_is_never_made(arguments) -> None:
    with pytest.raises(InvalidInput):
        Outcome(**arguments)
