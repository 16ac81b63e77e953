"""Each message has exactly one form, and whatever else comes is refused."""

from __future__ import annotations

import contextlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm.errors import InvalidInput, ProtocolViolation
from plasm.mesh.codec import decode, encode
from plasm.mesh.framing import MAX_CONTROL_BYTES, MAX_DATA_BYTES
from plasm.mesh.messages import (
    MAX_CHUNK_BYTES,
    Accept,
    Failure,
    Message,
    ModuleChunk,
    Offer,
    OutputChunk,
    Phase,
    Progress,
    Reject,
    RejectReason,
    Result,
    StdinChunk,
    StdinEnd,
)

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
COUNT = st.integers(0, 2**53 - 1)
CHUNK = st.binary(min_size=1, max_size=300)
TEXT = st.text(max_size=50)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Offer, st.binary(max_size=300), HEX, st.integers(0, 2**27), HEX, st.booleans()),
    st.builds(Accept, st.booleans(), COUNT),
    st.builds(Reject, st.sampled_from(RejectReason), TEXT),
    st.builds(ModuleChunk, CHUNK),
    st.builds(StdinChunk, CHUNK),
    st.just(StdinEnd()),
    st.builds(OutputChunk, st.sampled_from(["stdout", "stderr"]), CHUNK),
    st.builds(Progress, st.sampled_from(Phase), COUNT),
    st.builds(Result, CHUNK),
    st.builds(Failure, TEXT, TEXT),
)
OFFER = Offer(b"{}", "ab" * 32, 3, "cd" * 32, stdin=True)


@given(MESSAGES)
def test_messages_come_back_as_they_were(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("text", ["", "Grüße, 世界 🌍", "x" * 4096])
def test_text_of_every_kind_passes(text: str) -> None:
    assert decode(encode(Failure("failed", text))) == Failure("failed", text)


def test_the_largest_chunk_fits_into_the_largest_frame() -> None:
    payload = encode(OutputChunk("stdout", bytes(MAX_CHUNK_BYTES)))
    assert len(payload) <= MAX_DATA_BYTES
    assert decode(payload) == OutputChunk("stdout", bytes(MAX_CHUNK_BYTES))


@given(MESSAGES, st.data())
def test_a_changed_bit_is_another_message_or_a_violation(message: Message, data: st.DataObject) -> None:
    payload = encode(message)
    bit = data.draw(st.integers(0, len(payload) * 8 - 1))
    changed = bytearray(payload)
    changed[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(ProtocolViolation):
        assert decode(bytes(changed)) != message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_violation(data: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        assert encode(decode(data)) == data


PLAIN = cbor2.loads(encode(OFFER))


@pytest.mark.parametrize(
    "document",
    [
        {**PLAIN, "type": "nonsense"},
        {**PLAIN, "type": ["offer"]},
        {name: value for name, value in PLAIN.items() if name != "type"},
        {name: value for name, value in PLAIN.items() if name != "nonce"},
        {**PLAIN, "more": 1},
        {**PLAIN, 1: 1},
        {**PLAIN, "module": "AB" * 32},
        {**PLAIN, "module_size": -1},
        {**PLAIN, "module_size": 2**40},
        {**PLAIN, "module_size": True},
        {**PLAIN, "module_size": 3.0},
        {**PLAIN, "manifest": "{}"},
        {**PLAIN, "nonce": b"cd" * 32},
        {**PLAIN, "stdin": 1},
        {"type": "reject", "reason": "bored", "detail": ""},
        {"type": "reject", "reason": "queue-full", "detail": "x" * 5000},
        {"type": "output", "stream": "stdlog", "data": b"x"},
        {"type": "output", "stream": "stdout", "data": b""},
        {"type": "progress", "phase": "asleep", "elapsed_ms": 1},
        {"type": "accept", "module_wanted": 1, "starts_in_ms": 0},
        {"type": "result", "receipt": bytes(MAX_CONTROL_BYTES + 1)},
        {"type": "stdin-end", "data": b""},
        [1, 2],
        "offer",
        None,
    ],
)
def test_what_is_almost_a_message_is_refused(document: object) -> None:
    with pytest.raises(ProtocolViolation):
        decode(cbor2.dumps(document, canonical=True))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        encode(OFFER)[:-1],
        encode(OFFER) + b"\0",
        cbor2.dumps(dict(reversed(PLAIN.items()))),
        cbor2.dumps(PLAIN, indefinite_containers=True),
        b"\xa2\x64type\x69stdin-end\x64type\x69stdin-end",
        b"\x81" * 500 + b"\0",
        b"\xa1\x64type\xd8\x1d\x00",
        b"\xa1\x64type\x79\x00\x09stdin-end",
    ],
)
def test_what_is_not_deterministic_cbor_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode(payload)


def test_we_cannot_make_what_a_peer_would_refuse() -> None:
    with pytest.raises(InvalidInput):
        StdinChunk(b"")
    with pytest.raises(InvalidInput):
        StdinChunk(bytes(MAX_CHUNK_BYTES + 1))
    with pytest.raises(InvalidInput):
        Offer(bytes(MAX_CONTROL_BYTES), "ab" * 32, 3, "cd" * 32)
