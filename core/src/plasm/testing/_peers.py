"""The world of a transport's tests: peers of one process with an identity each, and what streams are used for."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final, TypeVar

import anyio
from attrs import frozen
from nacl.signing import SigningKey

from plasm.contracts import PeerRecord, Transport
from plasm.contracts.transport import ByteStream, Connection, StreamHandler
from plasm.errors import PlasmError
from plasm.model import PeerId
from plasm.plugins import PluginHost

PATIENCE_SECONDS: Final = 60.0
ECHO: Final = "/plasm/testing/echo/1"
OTHER: Final = "/plasm/testing/other/1"

CHUNK: Final = bytes(range(256)) * 256

Broken = anyio.BrokenResourceError
_Test = TypeVar("_Test", bound=Callable[..., Awaitable[None]])


class Key:
    """A signer for one test."""

    def __init__(self) -> None:
        self._key = SigningKey.generate()
        self.public_key = bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


@frozen
class Peer:
    """A transport in use, and where it can be dialled."""

    transport: Transport
    peer: PeerId
    addresses: tuple[str, ...]

    @property
    def record(self) -> PeerRecord:
        return PeerRecord(self.peer, self.addresses)


@frozen
class Pair:
    """A connection, seen from the side that dialled, and the two peers."""

    client: Peer
    server: Peer
    connection: Connection


def at_each_address(test: _Test) -> Callable[[Any], None]:
    """``test`` as a method that anybody can call."""

    @functools.wraps(test)
    def run(self: TransportTests) -> None:
        async def patiently(address: str) -> None:
            with anyio.fail_after(PATIENCE_SECONDS):
                await test(self, address)

        for address in self.addresses:
            try:
                anyio.run(patiently, address, backend="trio")
            except BaseException as error:
                error.add_note(f"at {address}")
                raise

    # pytest would take the test's own parameters for fixtures.
    del run.__wrapped__
    return run


class TransportTests:
    """What the tests of a transport share; a subclass names it."""

    transport: ClassVar[str]
    addresses: ClassVar[Sequence[str]] = ("/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0")

    @asynccontextmanager
    async def new(self) -> AsyncIterator[Peer]:
        """A transport with an identity of its own, that listens nowhere."""
        key = Key()
        transport = PluginHost.from_environment().transport(key, self.transport)
        async with transport:
            yield Peer(transport, PeerId(key.public_key), ())

    @asynccontextmanager
    async def listening(
        self, address: str, handler: StreamHandler, protocols: Sequence[str] = (ECHO,)
    ) -> AsyncIterator[Peer]:
        async with self.new() as made:
            addresses = await made.transport.listen([address], handler, protocols)
            yield Peer(made.transport, made.peer, tuple(addresses))

    @asynccontextmanager
    async def pair(
        self, address: str, handler: StreamHandler, protocols: Sequence[str] = (ECHO,)
    ) -> AsyncIterator[Pair]:
        async with self.listening(address, handler, protocols) as server, self.new() as client:
            yield Pair(client, server, await client.transport.dial(server.record))


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


async def send_forever(stream: ByteStream) -> None:
    while True:
        await stream.send(CHUNK)


async def fails(kind: type[Exception], call: Awaitable[object]) -> None:
    """``call`` raises an error of that kind."""
    try:
        result = await call
    except kind:
        return
    except PlasmError as error:
        raise AssertionError(f"{error!r}, not {kind.__name__}") from error
    raise AssertionError(f"no {kind.__name__} but {result!r}")


def with_port(address: str, port: int) -> str:
    head, _, tail = address.partition("/0")
    return f"{head}/{port}{tail}"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
