"""What a node signs can be verified by anybody, and nothing else is signed."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from attrs import evolve

from plasm import receipts
from plasm.errors import IdentityError, InvalidReceipt
from plasm.model import Outcome, OutcomeKind, TrapKind, Usage
from plasm.receipts import LegacyReceipt, Receipt, Subject, decode, encode, issue, issue_legacy, verify, verify_legacy

OUTCOMES = [
    *(Outcome.exited(code) for code in (0, 1, 123, 255, 2**32 - 1)),
    *(Outcome.trapped(trap) for trap in TrapKind),
    *(Outcome(kind) for kind in OutcomeKind if kind not in {OutcomeKind.EXITED, OutcomeKind.TRAPPED}),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_every_outcome_comes_back(receipt: Receipt, signer: Any, outcome: Outcome) -> None:
    receipt = evolve(receipt, outcome=outcome)
    assert verify(issue(receipt, signer).to_json()) == receipt


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
        (1_709_251_199_999_999, "2024-02-29T23:59:59.999999Z"),
        (1_709_251_200_000_000, "2024-03-01T00:00:00.000000Z"),
        (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_moments_are_written_in_utc_to_the_microsecond(receipt: Receipt, microseconds: int, text: str) -> None:
    receipt = evolve(receipt, finished_us=microseconds)
    assert f'"finishedOn":"{text}"'.encode() in encode(receipt)
    assert decode(encode(receipt)) == receipt


def test_what_was_not_measured_is_left_out(receipt: Receipt) -> None:
    payload = encode(evolve(receipt, usage=Usage(wall_time_us=1)))
    assert b'"usage":{"wallTimeUs":1}' in payload
    assert b"null" not in payload


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"job_id": "1"}, "job.id"),
        ({"nonce": "F" * 64}, "job.nonce"),
        ({"module_size": -1}, "module.size"),
        ({"stdin_size": 2**53}, "stdin.size"),
        ({"arch": ""}, "platform.arch"),
        ({"runtime_version": "50\n"}, "runtime.version"),
        ({"started_us": -1}, "startedOn"),
        ({"finished_us": 253_402_300_800_000_000}, "finishedOn"),
        ({"usage": Usage(wall_time_us=1.5)}, "usage.wallTimeUs"),  # type: ignore[arg-type]
        ({"truncated": ("stdin",)}, "truncated"),
        ({"subjects": ()}, "stdout and stderr"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_claims_that_nobody_would_read_are_not_signed(
    receipt: Receipt, signer: Any, changes: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidReceipt, match=path):
        issue(evolve(receipt, **changes), signer)


def test_a_receipt_too_long_to_be_read_is_not_written(receipt: Receipt, signer: Any) -> None:
    files = tuple(Subject(f"/{number:04000}", receipt.module) for number in range(260))
    with pytest.raises(InvalidReceipt, match="longer than"):
        issue(evolve(receipt, subjects=receipt.subjects + files), signer).to_json()


def test_a_signer_does_not_sign_for_another_node(receipt: Receipt, other_signer: Any) -> None:
    with pytest.raises(IdentityError, match=str(other_signer.peer_id)):
        issue(receipt, other_signer)
    with pytest.raises(IdentityError, match=str(other_signer.peer_id)):
        issue_legacy(LegacyReceipt.of(receipt), other_signer)


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64, bytes(65)], ids=len)
def test_a_signature_that_does_not_hold_is_not_given_out(receipt: Receipt, signer: Any, signature: bytes) -> None:
    class BrokenSigner:
        public_key = signer.public_key

        def sign(self, message: bytes) -> bytes:
            return signature

    with pytest.raises(IdentityError, match="does not hold"):
        issue(receipt, BrokenSigner())


def test_a_signature_that_brings_a_byte_of_the_message_along_is_not_given_out(receipt: Receipt, signer: Any) -> None:
    class BrokenSigner:
        public_key = signer.public_key

        def sign(self, message: bytes) -> bytes:
            return bytes(signer.sign(b"x" + message) + b"x")

    with pytest.raises(IdentityError, match="does not hold"):
        issue(receipt, BrokenSigner())


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.exited(0), 0),
        (Outcome.exited(200), 200),
        (Outcome.exited(2**32 - 1), 2**32 - 1),
        (Outcome(OutcomeKind.TIMED_OUT), 124),
        (Outcome(OutcomeKind.CRASHED), 125),
        (Outcome(OutcomeKind.OUT_OF_MEMORY), 126),
        (Outcome.trapped(TrapKind.OTHER), 134),
    ],
    ids=str,
)
def test_a_legacy_receipt_tells_the_outcome_as_one_number(
    receipt: Receipt, signer: Any, outcome: Outcome, code: int
) -> None:
    legacy = verify_legacy(issue_legacy(LegacyReceipt.of(evolve(receipt, outcome=outcome)), signer))
    assert legacy.exit_code == code


def test_a_legacy_receipt_has_whole_milliseconds_and_seconds(receipt: Receipt) -> None:
    legacy = LegacyReceipt.of(evolve(receipt, usage=Usage(wall_time_us=12_999), finished_us=1_738_324_800_999_999))
    assert (legacy.wall_time_ms, legacy.finished_s) == (12, 1_738_324_800)


def test_a_legacy_receipt_may_have_a_negative_exit_code(make: ModuleType, receipt: Receipt, signer: Any) -> None:
    legacy = evolve(LegacyReceipt.of(receipt), exit_code=-1)
    assert verify_legacy(issue_legacy(legacy, signer)) == legacy


def test_issuing_imports_nothing_heavy() -> None:
    script = "import sys, plasm.receipts.issuing, plasm.receipts; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    loaded = set(output.split())
    assert "plasm.receipts.issuing" in loaded
    heavy = {"cattrs", "rich", "structlog", "nacl", "datetime", "importlib.metadata", "plasm.receipts.verification"}
    assert loaded & heavy == set()


def test_every_public_name_is_there() -> None:
    assert all(getattr(receipts, name) is not None for name in dir(receipts))
    assert not hasattr(receipts, "no_such_name")
