"""multistream-select: how two sides agree on the protocol of a connection or of a stream.

Source: https://github.com/multiformats/multistream-select.  libp2p has it too, but waits for an answer to its greeting
before it names the protocol, and believes any length that a stranger announces.
"""

from __future__ import annotations

from collections.abc import Collection

from libp2p.io.abc import ReadWriteCloser

_GREETING = "/multistream/1.0.0"
_REFUSAL = "na"
_LIST = "ls"
_LARGEST_MESSAGE = 1024
_MOST_PROPOSALS = 16
_SEVEN_BITS, _MORE = 0x7F, 0x80


class NegotiationFailed(Exception):
    """What the other side says is not the protocol."""


class NotSpoken(NegotiationFailed):
    """The other side does not speak what was proposed."""


async def propose(channel: ReadWriteCloser, protocol: str) -> None:
    """Agree on ``protocol``, in one round trip.

    Raises:
        NotSpoken: the other side does not speak it.
        NegotiationFailed: it does not negotiate.
    """
    await channel.write(_encode(_GREETING) + _encode(protocol))
    await _expect_greeting(channel)
    answer = await _read(channel)
    if answer == _REFUSAL:
        raise NotSpoken(f"{protocol} is not spoken")
    if answer != protocol:
        raise NegotiationFailed(f"{answer!r} is no answer to {protocol!r}")


async def agree(channel: ReadWriteCloser, spoken: Collection[str]) -> str:
    """The one of the protocols ``spoken`` that the other side proposes.

    Raises:
        NegotiationFailed: it proposes none of them, or does not negotiate.
    """
    await _expect_greeting(channel)
    await channel.write(_encode(_GREETING))
    for _ in range(_MOST_PROPOSALS):
        proposal = await _read(channel)
        if proposal in spoken:
            await channel.write(_encode(proposal))
            return proposal
        if proposal == _LIST:
            listed = b"".join(_encode(protocol) for protocol in spoken)
            await channel.write(_length(len(listed) + 1) + listed + b"\n")
        else:
            await channel.write(_encode(_REFUSAL))
    raise NegotiationFailed("too many proposals")


async def _expect_greeting(channel: ReadWriteCloser) -> None:
    if (greeting := await _read(channel)) != _GREETING:
        raise NegotiationFailed(f"{greeting!r} is no greeting")


def _encode(message: str) -> bytes:
    line = f"{message}\n".encode()
    return _length(len(line)) + line


def _length(count: int) -> bytes:
    encoded = bytearray()
    while count > _SEVEN_BITS:
        encoded.append(count & _SEVEN_BITS | _MORE)
        count >>= 7
    encoded.append(count)
    return bytes(encoded)


async def _read(channel: ReadWriteCloser) -> str:
    length, shift = 0, 0
    while True:
        byte = (await _exactly(channel, 1))[0]
        length |= (byte & _SEVEN_BITS) << shift
        if length > _LARGEST_MESSAGE:
            raise NegotiationFailed("a message that is too long")
        if not byte & _MORE:
            break
        shift += 7
    line = await _exactly(channel, length)
    if not line.endswith(b"\n"):
        raise NegotiationFailed("a message that is no line")
    try:
        return line[:-1].decode()
    except UnicodeDecodeError:
        raise NegotiationFailed("a message that is not text") from None


async def _exactly(channel: ReadWriteCloser, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await channel.read(count - len(data))
    return data
