"""Transports with identities of their own, and what peers say to each other in the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from attrs import frozen
from nacl.signing import SigningKey

from plasm.contracts import PeerRecord
from plasm.contracts.transport import ByteStream, Connection, StreamHandler
from plasm.model import PeerId
from plasm_transport_quic.transport import Libp2pTransport

PATIENCE_S = 60
ECHO = "/plasm/test/echo/1"
QUIC = "/ip4/127.0.0.1/udp/0/quic-v1"
TCP = "/ip4/127.0.0.1/tcp/0"


class Key:
    """What a signer is, and no more."""

    def __init__(self) -> None:
        self._key = SigningKey.generate()
        self.public_key = bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


@frozen
class Peer:
    transport: Libp2pTransport
    record: PeerRecord

    @property
    def peer(self) -> PeerId:
        return self.record.peer


async def echo(connection: Connection, protocol: str, stream: ByteStream) -> None:
    while data := await stream.receive():
        await stream.send(data)


async def echoed(connection: Connection, content: bytes) -> bytes:
    stream = await connection.open_stream(ECHO)
    await stream.send(content)
    await stream.send_eof()
    return await all_of(stream)


async def all_of(stream: ByteStream) -> bytes:
    received = b""
    while data := await stream.receive():
        received += data
    return received


@asynccontextmanager
async def peer(
    *addresses: str, handler: StreamHandler = echo, protocols: Sequence[str] = (ECHO,)
) -> AsyncIterator[Peer]:
    """A transport that listens at ``addresses``; nowhere where there are none."""
    key = Key()
    with anyio.fail_after(PATIENCE_S):
        async with Libp2pTransport(key) as transport:
            found = await transport.listen(addresses, handler, protocols) if addresses else ()
            yield Peer(transport, PeerRecord(PeerId(key.public_key), tuple(found)))
