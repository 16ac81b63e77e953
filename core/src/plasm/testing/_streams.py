"""Streams of a transport: bytes as they were sent, each end by itself, resets that are felt, and nobody overrun."""

from __future__ import annotations

import hashlib
import os
from typing import Final

import anyio

from plasm.contracts.transport import ByteStream, Connection
from plasm.errors import ProtocolNotSpoken
from plasm.testing._peers import (
    CHUNK,
    ECHO,
    OTHER,
    Broken,
    TransportTests,
    all_of,
    at_each_address,
    echo,
    echoed,
    fails,
    send_forever,
)

_UNREAD_BOUND: Final = 32 * 2**20
_ROUNDS_AT_REST: Final = 20
_BULK: Final = 50 * 2**20
_SMALL: Final = 2


class Streams(TransportTests):
    """What a byte stream does."""

    @at_each_address
    async def test_bytes_come_as_they_were_sent(self, address: str) -> None:
        """What is sent arrives, whatever it is and however short; receiving keeps to its bound and loses nothing."""
        async with self.pair(address, echo) as pair:
            for content in (b"", b"\0", b"\xff" * 3, os.urandom(100_000)):
                assert await echoed(pair.connection, content) == content
            stream = await pair.connection.open_stream(ECHO)
            await stream.send(b"12345")
            await stream.send(b"")
            await stream.send_eof()
            pieces = [await stream.receive(_SMALL)]
            while piece := await stream.receive(_SMALL):
                pieces.append(piece)
            assert b"".join(pieces) == b"12345"
            assert all(1 <= len(piece) <= _SMALL for piece in pieces)
            assert await stream.receive() == b"", "the end is told again to whoever asks again"

    @at_each_address
    async def test_a_cancelled_receive_loses_nothing(self, address: str) -> None:
        """A receive that was cancelled leaves what comes for the next one."""
        async with self.pair(address, echo) as pair:
            stream = await pair.connection.open_stream(ECHO)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await stream.receive()
            await stream.send(b"later")
            await stream.send_eof()
            assert await all_of(stream) == b"later"

    @at_each_address
    async def test_receiving_goes_on_when_sending_has_finished(self, address: str) -> None:
        """Each direction ends by itself; finishing again is harmless, sending afterwards an error."""

        async def handler(connection: Connection, protocol: str, stream: ByteStream) -> None:
            asked = await all_of(stream)
            for _ in range(100):
                await stream.send(asked)

        async with self.pair(address, handler) as pair:
            stream = await pair.connection.open_stream(ECHO)
            await stream.send(b"question")
            await stream.send_eof()
            await stream.send_eof()
            await fails(anyio.ClosedResourceError, stream.send(b"more"))
            assert await all_of(stream) == b"question" * 100

    @at_each_address
    async def test_a_reset_is_felt_on_the_other_side(self, address: str) -> None:
        """A reset by either side makes the other's calls fail, and one's own; again it is harmless."""
        felt: list[type[Exception]] = []
        resets = anyio.Event()

        async def handler(connection: Connection, protocol: str, stream: ByteStream) -> None:
            if protocol == OTHER:
                await stream.receive(1)
                await stream.reset()
                return
            await stream.send(b"go on")
            for call in (all_of(stream), send_forever(stream)):
                try:
                    await call
                except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                    felt.append(type(error))
            resets.set()

        async with self.pair(address, handler, [ECHO, OTHER]) as pair:
            stream = await pair.connection.open_stream(ECHO)
            assert await stream.receive(1) == b"g"
            await stream.reset()
            await stream.reset()
            await fails(anyio.ClosedResourceError, stream.receive())
            await fails(anyio.ClosedResourceError, stream.send(b"x"))
            await resets.wait()
            assert felt == [Broken, Broken]
            stream = await pair.connection.open_stream(OTHER)
            await stream.send(b"x")
            await fails(Broken, stream.receive())
            await fails(Broken, send_forever(stream))

    @at_each_address
    async def test_a_handler_that_fails_resets_its_stream(self, address: str) -> None:
        """A handler that raises costs its stream and nothing else."""

        async def handler(connection: Connection, protocol: str, stream: ByteStream) -> None:
            if await stream.receive() == b"fail":
                raise ArithmeticError("as it was asked to")
            await stream.send(b"fine")

        async with self.pair(address, handler) as pair:
            other = await pair.connection.open_stream(ECHO)
            failing = await pair.connection.open_stream(ECHO)
            await failing.send(b"fail")
            await fails(Broken, failing.receive())
            await other.send(b"work")
            assert await all_of(other) == b"fine"

    @at_each_address
    async def test_sending_waits_while_nobody_reads(self, address: str) -> None:
        """A peer that does not read stops whoever sends to it, and not its other streams; it finds all of it later."""
        sent = 0
        may_read = anyio.Event()

        async def handler(connection: Connection, protocol: str, stream: ByteStream) -> None:
            if protocol == ECHO:
                await echo(connection, protocol, stream)
                return
            await may_read.wait()
            received = hashlib.sha256()
            while data := await stream.receive():
                received.update(data)
            await stream.send(received.digest())

        async def send(stream: ByteStream) -> None:
            nonlocal sent
            for _ in range(2 * _UNREAD_BOUND // len(CHUNK)):
                await stream.send(CHUNK)
                sent += len(CHUNK)
            await stream.send_eof()

        async with self.pair(address, handler, [ECHO, OTHER]) as pair, anyio.create_task_group() as tasks:
            stream = await pair.connection.open_stream(OTHER)
            tasks.start_soon(send, stream)
            before, rounds = -1, 0
            while rounds < _ROUNDS_AT_REST:
                rounds = rounds + 1 if sent == before else 0
                before = sent
                await echoed(pair.connection, b"?")
                assert sent <= _UNREAD_BOUND, "it goes on though nobody reads"
            may_read.set()
            expected = hashlib.sha256(CHUNK * (2 * _UNREAD_BOUND // len(CHUNK))).digest()
            assert await all_of(stream) == expected

    @at_each_address
    async def test_a_thousand_streams_in_turn(self, address: str) -> None:
        """A connection carries a thousand streams, one after another."""
        async with self.pair(address, echo) as pair:
            for number in range(1000):
                content = number.to_bytes(4, "big")
                assert await echoed(pair.connection, content) == content

    @at_each_address
    async def test_a_hundred_streams_at_once(self, address: str) -> None:
        """A connection carries a hundred streams at once."""
        all_open = anyio.Event()
        opened = 0

        async with self.pair(address, echo) as pair, anyio.create_task_group() as tasks:

            async def talk(number: int) -> None:
                nonlocal opened
                stream = await pair.connection.open_stream(ECHO)
                opened += 1
                if opened == 100:  # noqa: PLR2004 - as the name says
                    all_open.set()
                await all_open.wait()
                content = number.to_bytes(4, "big") * 1000
                await stream.send(content)
                await stream.send_eof()
                assert await all_of(stream) == content

            for number in range(100):
                tasks.start_soon(talk, number)

    @at_each_address
    async def test_fifty_megabytes_both_ways(self, address: str) -> None:
        """Fifty megabytes go there and back at the same time, and are the same."""
        content = os.urandom(2**20)
        expected = hashlib.sha256(content * (_BULK // len(content))).digest()

        async def send(stream: ByteStream) -> None:
            for _ in range(_BULK // len(content)):
                await stream.send(content)
            await stream.send_eof()

        async with self.pair(address, echo) as pair, anyio.create_task_group() as tasks:
            stream = await pair.connection.open_stream(ECHO)
            tasks.start_soon(send, stream)
            received = hashlib.sha256()
            while data := await stream.receive():
                received.update(data)
            assert received.digest() == expected

    @at_each_address
    async def test_a_protocol_that_is_not_spoken(self, address: str) -> None:
        """Asking for a protocol that the other side does not speak says so, and costs nothing else."""
        async with self.pair(address, echo) as pair:
            await fails(ProtocolNotSpoken, pair.connection.open_stream(OTHER))
            assert await echoed(pair.connection, b"x") == b"x"

    @at_each_address
    async def test_either_side_opens_streams(self, address: str) -> None:
        """The side that was dialled opens streams, too."""

        async def ask_back(connection: Connection, protocol: str, stream: ByteStream) -> None:
            await stream.send(await echoed(connection, b"and you?"))

        async with self.pair(address, ask_back, [OTHER]) as pair:
            await pair.client.transport.listen([address], echo, [ECHO])
            stream = await pair.connection.open_stream(OTHER)
            assert await all_of(stream) == b"and you?"
