"""Frames survive any cut of the stream, and none is larger than a stranger may make it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm.errors import ProtocolViolation
from plasm.mesh.framing import MAX_DATA_BYTES, Deframer, frame


@given(st.lists(st.binary(max_size=400)), st.randoms(use_true_random=False))
def test_payloads_come_out_as_they_went_in_however_the_stream_is_cut(payloads: list[bytes], random) -> None:
    stream = b"".join(map(frame, payloads))
    cuts = sorted(random.randrange(len(stream) + 1) for _ in range(5))
    deframer, out = Deframer(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += deframer.feed(stream[start:end])
    assert out == payloads
    assert not deframer.pending


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16383, 16384, MAX_DATA_BYTES])
def test_every_size_up_to_the_largest_passes(size: int) -> None:
    assert list(Deframer().feed(frame(bytes(size)))) == [bytes(size)]


@pytest.mark.parametrize(
    "data", [b"\x81\x80\x40", b"\x80\x00", b"\xff\xff\xff\xff\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"]
)
def test_a_length_too_large_or_not_in_its_shortest_form_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        list(Deframer().feed(data))


@given(st.binary())
def test_any_bytes_are_frames_or_a_violation(data: bytes) -> None:
    deframer = Deframer()
    try:
        payloads = list(deframer.feed(data))
    except ProtocolViolation:
        return
    assert data.startswith(b"".join(map(frame, payloads)))
