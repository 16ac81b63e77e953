"""Nobody can change, cut or invent a receipt, and nothing that claims to be one makes the reader stumble."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm.errors import InvalidReceipt, VerificationFailed
from plasm.receipts import MAX_RECEIPT_BYTES, PAYLOAD_TYPE, Envelope, pae, parse_envelope, read

REFUSALS = (InvalidReceipt, VerificationFailed)


@pytest.fixture(params=["receipt_bytes", "legacy_bytes"], ids=["v1", "0.1"])
def any_receipt(request: pytest.FixtureRequest) -> bytes:
    data = request.getfixturevalue(request.param)
    assert isinstance(data, bytes)
    return data


def signed(signer: Any, payload: bytes) -> bytes:
    return Envelope(payload, PAYLOAD_TYPE, str(signer.peer_id), signer.sign(pae(PAYLOAD_TYPE, payload))).to_json()


def accepted(data: bytes) -> bool:
    try:
        read(data)
    except REFUSALS:
        return False
    return True


def test_no_single_bit_can_change(any_receipt: bytes) -> None:
    assert accepted(any_receipt)
    survivors = []
    for position, byte in enumerate(any_receipt):
        for bit in range(8):
            changed = any_receipt[:position] + bytes([byte ^ 1 << bit]) + any_receipt[position + 1 :]
            if accepted(changed):
                survivors.append((position, bit))
    assert survivors == []


def test_no_byte_can_be_removed_or_doubled(any_receipt: bytes) -> None:
    for position in range(len(any_receipt)):
        assert not accepted(any_receipt[:position] + any_receipt[position + 1 :])
        assert not accepted(any_receipt[:position] + any_receipt[position : position + 1] + any_receipt[position:])


def test_a_receipt_cut_short_at_any_length_is_refused(any_receipt: bytes) -> None:
    for length in range(len(any_receipt)):
        with pytest.raises(InvalidReceipt):
            read(any_receipt[:length])


def test_another_document_after_a_receipt_is_refused(any_receipt: bytes) -> None:
    with pytest.raises(InvalidReceipt):
        read(any_receipt + b"\n" + any_receipt)


def test_space_around_a_receipt_is_no_part_of_it(any_receipt: bytes) -> None:
    assert read(b"\n " + any_receipt + b"\r\n") == read(any_receipt)


def test_a_receipt_that_is_not_utf_8_is_refused(any_receipt: bytes) -> None:
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        with pytest.raises(InvalidReceipt):
            read(any_receipt.decode().encode(encoding))
    with pytest.raises(InvalidReceipt, match="utf-8"):
        read(any_receipt[:-1] + b"\xff")


@pytest.mark.parametrize("opening", [b"[", b'{"version":', b'{"payload":['])
def test_deep_nesting_is_refused(opening: bytes) -> None:
    with pytest.raises(InvalidReceipt):
        read(opening * (MAX_RECEIPT_BYTES // len(opening)))
    depth = 100_000
    with pytest.raises(InvalidReceipt, match="nested too deeply"):
        read(b'{"version":' + b"[" * depth + b"]" * depth + b"}")


def test_one_field_of_very_many_that_is_there_twice_is_found_at_once() -> None:
    fields = [f'"{number}":0' for number in range(100_000)]
    with pytest.raises(InvalidReceipt, match="the field '7' occurs more than once"):
        read(("{" + ",".join([*fields, '"7":1']) + "}").encode())


def test_nesting_that_json_can_read_is_refused_like_any_other_value(signer: Any) -> None:
    for depth in range(1, 1000, 37):
        nest = "[" * depth + "]" * depth
        documents = f'{{"version":{nest}}}', f'{{"payload":{nest}}}', f'{{"signatures":[{nest},{nest}]}}'
        for document in documents:
            with pytest.raises(InvalidReceipt):
                read(document.encode())
            with pytest.raises(InvalidReceipt):
                read(signed(signer, document.encode()))


def test_nested_streams_are_refused(signer: Any, receipt_bytes: bytes) -> None:
    statement = parse_envelope(receipt_bytes).payload
    nest = b"[" * 900 + b"]" * 900
    with pytest.raises(InvalidReceipt, match="truncated"):
        read(signed(signer, statement.replace(b'"truncated":[]', b'"truncated":[%b,%b]' % (nest, nest))))


def test_a_huge_document_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(InvalidReceipt, match=f"longer than {MAX_RECEIPT_BYTES} bytes"):
        read(b" " * (MAX_RECEIPT_BYTES + 1))


def test_a_document_of_the_largest_size_is_read(any_receipt: bytes) -> None:
    assert accepted(any_receipt.ljust(MAX_RECEIPT_BYTES))
    assert not accepted(any_receipt.ljust(MAX_RECEIPT_BYTES + 1))


def test_a_number_with_very_many_digits_is_refused() -> None:
    with pytest.raises(InvalidReceipt):
        read(b'{"version":' + b"9" * 100_000 + b"}")


def test_half_a_surrogate_pair_is_refused_wherever_it_is(signer: Any, receipt_bytes: bytes) -> None:
    statement = parse_envelope(receipt_bytes).payload
    with pytest.raises(InvalidReceipt, match=r"runtime\.name"):
        read(signed(signer, statement.replace(b'"wasmtime"', b'"\\ud800"')))
    with pytest.raises(InvalidReceipt, match="unknown field"):
        read(signed(signer, statement.replace(b'"runtime":', b'"\\ud800":1,"runtime":')))


def test_a_receipt_by_another_signer_is_refused(other_signer: Any, receipt_bytes: bytes) -> None:
    payload = parse_envelope(receipt_bytes).payload
    with pytest.raises(VerificationFailed, match="is signed by"):
        read(signed(other_signer, payload))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(REFUSALS):
        read(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("version", "module_hash", "exit_code", "payload", "payloadType", "signatures", "keyid", "sig", "_type")


@given(st.dictionaries(st.sampled_from(NAMES), JSON) | JSON)
def test_arbitrary_json_is_refused(document: object) -> None:
    with pytest.raises(REFUSALS):
        read(json.dumps(document).encode())


def paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value inside ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [inner for key, item in items for inner in paths(item, (*path, key))]


@given(data=st.data(), replacement=JSON)
def test_a_signed_statement_with_anything_anywhere_is_refused_or_equal(
    make: Any, data: st.DataObject, replacement: object
) -> None:
    receipt = make.receipts()["everything"]
    statement = json.loads(make.encode(receipt))
    *parents, last = data.draw(st.sampled_from(paths(statement)))
    target = statement
    for key in parents:
        target = target[key]
    target[last] = replacement
    envelope = signed(make.SIGNER, json.dumps(statement).encode())
    with contextlib.suppress(*REFUSALS):
        assert json.loads(make.encode(read(envelope))) == statement
