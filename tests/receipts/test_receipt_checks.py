"""A receipt that holds is compared with what one has in hand, line by line or all at once."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from plasm.errors import VerificationFailed
from plasm.model import sha256_hex
from plasm.receipts import Check, Expectation, LegacyReceipt, Receipt, Subject, check, require

OUTPUT = b"hello\n"
OTHER_DIGEST = sha256_hex(b"something else")


@pytest.fixture
def expected(receipt: Receipt) -> Expectation:
    """What a client of the mesh compares with, all of it right."""
    return Expectation(
        signer=receipt.node,
        manifest=receipt.manifest,
        nonce=receipt.nonce,
        module=receipt.module,
        stdin=receipt.stdin,
        subjects={"stdout": sha256_hex(OUTPUT), "stderr": sha256_hex(b"")},
        all_subjects=True,
    )


def test_the_right_result_matches_in_every_line(receipt: Receipt, expected: Expectation) -> None:
    require(receipt, expected)
    assert [str(result) for result in check(receipt, expected)] == [
        "signer: matches",
        "manifest: matches",
        "nonce: matches",
        "module: matches",
        "stdin: matches",
        "stdout: matches",
        "stderr: matches",
    ]


def test_what_is_left_out_is_not_compared(receipt: Receipt) -> None:
    assert check(receipt, Expectation()) == ()
    require(receipt, Expectation())


def test_a_subject_that_is_not_given_is_compared_only_when_all_are_asked_for(receipt: Receipt) -> None:
    stdout_alone = Expectation(subjects={"stdout": sha256_hex(OUTPUT)})
    require(receipt, stdout_alone)
    with pytest.raises(VerificationFailed, match=r"stderr: DIFFERS: the receipt says .*, nothing was given"):
        require(receipt, evolve(stdout_alone, all_subjects=True))


@pytest.mark.parametrize("name", ["manifest", "nonce", "module", "stdin"])
def test_each_difference_is_named_with_both_sides(receipt: Receipt, expected: Expectation, name: str) -> None:
    changes: dict[str, Any] = {name: OTHER_DIGEST}
    wrong = evolve(expected, **changes)
    different = [result for result in check(receipt, wrong) if not result.matches]
    assert different == [Check(name, getattr(receipt, name), OTHER_DIGEST)]
    with pytest.raises(VerificationFailed) as caught:
        require(receipt, wrong)
    claimed = getattr(receipt, name)
    assert caught.value.message == f"{name}: DIFFERS: the receipt says {claimed}, found {OTHER_DIGEST}"
    assert caught.value.hint


def test_another_node_than_the_one_dialled_is_named(receipt: Receipt, expected: Expectation, other_signer: Any) -> None:
    with pytest.raises(VerificationFailed, match=f"signer: .*{receipt.node}.*{other_signer.peer_id}"):
        require(receipt, evolve(expected, signer=other_signer.peer_id))


def test_every_difference_has_its_line_and_the_first_is_raised(receipt: Receipt, expected: Expectation) -> None:
    wrong = evolve(expected, nonce="0" * 64, subjects={"stdout": OTHER_DIGEST, "/out.csv": OTHER_DIGEST})
    results = check(receipt, wrong)
    assert [result.name for result in results if not result.matches] == ["nonce", "stdout", "/out.csv", "stderr"]
    assert "/out.csv: DIFFERS: the receipt says nothing of it" in map(str, results)
    with pytest.raises(VerificationFailed, match="nonce"):
        require(receipt, wrong)


def test_no_bit_of_the_output_can_change(receipt: Receipt) -> None:
    for position, byte in enumerate(OUTPUT):
        for bit in range(8):
            changed = OUTPUT[:position] + bytes([byte ^ 1 << bit]) + OUTPUT[position + 1 :]
            with pytest.raises(VerificationFailed, match="stdout"):
                require(receipt, Expectation(subjects={"stdout": sha256_hex(changed)}))


def test_a_file_is_compared_by_its_path(receipt: Receipt) -> None:
    receipt = evolve(receipt, subjects=(*receipt.subjects, Subject("/out.csv", sha256_hex(b"a"))))
    require(receipt, Expectation(subjects={"/out.csv": sha256_hex(b"a")}))
    with pytest.raises(VerificationFailed, match=r"/out\.csv"):
        require(receipt, Expectation(subjects={"/out.csv": sha256_hex(b"b")}))


def test_a_legacy_receipt_speaks_of_signer_and_module_only(receipt: Receipt, expected: Expectation) -> None:
    results = {result.name: result for result in check(LegacyReceipt.of(receipt), expected)}
    assert {name for name, result in results.items() if result.matches} == {"signer", "module"}
    assert str(results["stdout"]) == "stdout: DIFFERS: the receipt says nothing of it"
