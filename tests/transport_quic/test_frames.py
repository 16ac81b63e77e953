"""Yamux frames: however they are cut up on their way, they come out the same."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm_transport_quic.frames import HEADER_BYTES, Flag, Frame, FrameError, FrameReader, Kind, encode

NUMBERS = st.integers(0, 2**32 - 1)
FLAGS = st.integers(0, 15).map(Flag)
WITHOUT_DATA = st.tuples(st.sampled_from([Kind.WINDOW_UPDATE, Kind.PING, Kind.GO_AWAY]), FLAGS, NUMBERS, NUMBERS)
DATA = st.tuples(FLAGS, NUMBERS, st.binary(max_size=50))


@given(st.lists(st.one_of(WITHOUT_DATA, DATA), max_size=8), st.lists(st.integers(0, 500), max_size=20))
def test_frames_survive_being_cut(frames: list[tuple[object, ...]], cuts: list[int]) -> None:
    wire, expected = b"", []
    for frame in frames:
        match frame:
            case (Kind() as kind, Flag() as flags, int(stream_id), int(value)):
                wire += encode(kind, flags, stream_id, value)
                expected.append((kind, flags, stream_id, value, b""))
            case (Flag() as flags, int(stream_id), bytes(data)):
                wire += encode(Kind.DATA, flags, stream_id, len(data)) + data
                expected.append((Kind.DATA, flags, stream_id, len(data), data))
    reader = FrameReader()
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    received = [frame for start, end in pairwise(edges) for frame in reader.feed(wire[start:end])]
    assert joined(received) == expected


def joined(pieces: list[Frame]) -> list[tuple[Kind, Flag, int, int, bytes]]:
    """Frames with the pieces of one put together again."""
    frames: list[tuple[Kind, Flag, int, int, bytes]] = []
    missing = -1
    for piece in pieces:
        if missing < 0:
            frames.append((piece.kind, piece.flags, piece.stream_id, piece.value, piece.data))
            missing = piece.value if piece.kind is Kind.DATA else -1
            continue
        kind, flags, stream_id, value, data = frames[-1]
        assert piece.stream_id == stream_id
        frames[-1] = kind, flags | piece.flags, stream_id, value, data + piece.data
        missing -= len(piece.data)
        if not missing:
            missing = -1
    return frames


def test_data_is_passed_on_before_all_of_it_is_there() -> None:
    reader = FrameReader()
    header, begun = reader.feed(encode(Kind.DATA, Flag.SYN | Flag.FIN, 1, 2**31) + b"some")
    assert (header.flags, header.value) == (Flag.SYN, 2**31)
    assert (begun.flags, begun.data) == (Flag(0), b"some")


@pytest.mark.parametrize("wire", [b"\1" + bytes(HEADER_BYTES - 1), b"\0\4" + bytes(HEADER_BYTES - 2)])
def test_what_is_not_yamux_is_refused(wire: bytes) -> None:
    with pytest.raises(FrameError):
        list(FrameReader().feed(wire))
