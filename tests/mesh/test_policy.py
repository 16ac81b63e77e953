"""Admission: who may hand over how much, decided before anything is read, with a memory that strangers cannot fill."""

from __future__ import annotations

import pytest
from mesh.conftest import SeedSigner

from plasm.mesh.messages import RejectReason
from plasm.model import Limits
from plasm.node.policy import BAN_SECONDS, MAX_REMEMBERED_PEERS, VIOLATIONS_BEFORE_BAN, Admission, Policy, refusal

ALICE, BOB = SeedSigner("alice").peer, SeedSigner("bob").peer


def reason(reject: object) -> RejectReason | None:
    return getattr(reject, "reason", None)


def test_everybody_may_come_unless_the_operator_says_otherwise() -> None:
    assert Admission(Policy()).begin(ALICE, 0) is None


def test_the_lists_are_kept_and_denying_wins() -> None:
    assert reason(Admission(Policy(deny=[ALICE])).begin(ALICE, 0)) is RejectReason.NOT_AUTHORISED
    only_bob = Admission(Policy(allow=[BOB]))
    assert reason(only_bob.begin(ALICE, 0)) is RejectReason.NOT_AUTHORISED
    assert only_bob.begin(BOB, 0) is None
    assert reason(Admission(Policy(allow=[BOB], deny=[BOB])).begin(BOB, 0)) is RejectReason.NOT_AUTHORISED


def test_a_peer_has_so_many_jobs_at_once_and_others_do_not_mind() -> None:
    admission = Admission(Policy(jobs_per_peer=2))
    assert [admission.begin(ALICE, 0) for _ in range(2)] == [None, None]
    assert reason(admission.begin(ALICE, 0)) is RejectReason.QUEUE_FULL
    assert admission.begin(BOB, 0) is None
    admission.end(ALICE)
    assert admission.begin(ALICE, 0) is None


def test_a_peer_offers_so_many_jobs_a_minute() -> None:
    admission = Admission(Policy(offers_per_minute=60, jobs_per_peer=1000))
    assert [admission.begin(ALICE, 0) for _ in range(60)] == [None] * 60
    assert reason(admission.begin(ALICE, 0.5)) is RejectReason.QUEUE_FULL
    assert admission.begin(ALICE, 1.6) is None
    assert reason(admission.begin(ALICE, 1.6)) is RejectReason.QUEUE_FULL


def test_a_peer_that_keeps_breaking_the_protocol_is_banned_for_a_while() -> None:
    admission = Admission(Policy())
    assert [admission.violation(ALICE, 0) for _ in range(VIOLATIONS_BEFORE_BAN)] == [
        *[False] * (VIOLATIONS_BEFORE_BAN - 1),
        True,
    ]
    assert reason(admission.begin(ALICE, BAN_SECONDS - 1)) is RejectReason.NOT_AUTHORISED
    assert admission.begin(BOB, 0) is None
    assert admission.begin(ALICE, BAN_SECONDS) is None


def test_strangers_cannot_fill_the_memory_nor_wash_a_ban_away() -> None:
    admission = Admission(Policy())
    for _ in range(VIOLATIONS_BEFORE_BAN):
        admission.violation(BOB, 0)
    admission.begin(ALICE, 0)

    class Stranger:
        def __init__(self, number: int) -> None:
            self._name = f"stranger {number}"

        def __str__(self) -> str:
            return self._name

    for number in range(MAX_REMEMBERED_PEERS + 500):
        assert admission.begin(Stranger(number), 1) is None  # type: ignore[arg-type]
        admission.end(Stranger(number))  # type: ignore[arg-type]
    assert len(admission._peers) <= MAX_REMEMBERED_PEERS
    assert reason(admission.begin(BOB, 2)) is RejectReason.NOT_AUTHORISED
    assert str(ALICE) in admission._peers


@pytest.mark.parametrize(
    ("limits", "size", "word"),
    [
        (Limits(), 1, None),
        (Limits(memory=2**31), 1, "memory"),
        (Limits(wall_time=7_200_000), 1, "wall_time"),
        (Limits(output=2**31), 1, "output"),
        (Limits(files=2**31), 1, "files"),
        (Limits(), 2**27 + 1, "module"),
    ],
)
def test_a_job_that_asks_for_too_much_is_told_of_what(limits: Limits, size: int, word: str | None) -> None:
    reject = refusal(Policy(), limits, size)
    if word is None:
        assert reject is None
    else:
        assert reject is not None
        assert reject.reason is RejectReason.INSUFFICIENT_RESOURCES
        assert word in reject.detail
