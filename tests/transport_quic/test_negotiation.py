"""Agreeing on a protocol: with those who keep to it, and with those who do not."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from libp2p.io.abc import ReadWriteCloser

from plasm_transport_quic.negotiation import NegotiationFailed, NotSpoken, agree, propose

GREETING = b"\x13/multistream/1.0.0\n"

pytestmark = pytest.mark.anyio


class Ended(Exception):
    pass


class Said(ReadWriteCloser):
    """A channel whose other side has said what it will ever say."""

    def __init__(self, said: bytes) -> None:
        self._said = said
        self.answered = b""

    async def read(self, n: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._said:
            raise Ended
        data, self._said = self._said[:n], self._said[n:]
        return data

    async def write(self, data: bytes) -> None:
        self.answered += data

    async def close(self) -> None:
        pass

    def get_remote_address(self) -> None:
        return None


async def test_a_proposal_goes_out_at_once() -> None:
    channel = Said(GREETING + b"\x03/a\n")
    await propose(channel, "/a")
    assert channel.answered == GREETING + b"\x03/a\n"


async def test_a_refusal_is_told_from_nonsense() -> None:
    with pytest.raises(NotSpoken):
        await propose(Said(GREETING + b"\x03na\n"), "/a")
    for answer in (b"\x03/b\n", b"\x13/multistream/2.0.0\n"):
        with pytest.raises(NegotiationFailed):
            await propose(Said(GREETING + answer), "/a")


async def test_what_is_spoken_is_agreed_on() -> None:
    channel = Said(GREETING + b"\x03/x\n" + b"\x03/a\n")
    assert await agree(channel, ["/a", "/b"]) == "/a"
    assert channel.answered == GREETING + b"\x03na\n" + b"\x03/a\n"


async def test_what_is_spoken_can_be_listed() -> None:
    channel = Said(GREETING + b"\x03ls\n" + b"\x03/b\n")
    assert await agree(channel, ["/a", "/b"]) == "/b"
    assert channel.answered == GREETING + b"\x09\x03/a\n\x03/b\n\n" + b"\x03/b\n"


@pytest.mark.parametrize(
    "said",
    [
        b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x81\x08" + b"x" * 1025,
        b"\x02/a",
        b"\x03\xff\xfe\n",
        b"\x00",
        GREETING + b"\x81\x08",
        GREETING + b"\x03/x\n" * 100,
    ],
)
async def test_nonsense_ends_it(said: bytes) -> None:
    with pytest.raises(NegotiationFailed):
        await agree(Said(said), ["/a"])


@given(st.binary(max_size=100))
def test_no_bytes_break_it(said: bytes) -> None:
    async def try_them() -> None:
        for start in (b"", GREETING):
            with pytest.raises((NegotiationFailed, Ended)):
                await agree(Said(start + said), ["/a"])

    trio.run(try_them)
