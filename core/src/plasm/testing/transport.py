"""The contract of a transport as tests: what :class:`plasm.contracts.Transport` says, tried by peers in one process.

Every test is made at each of the addresses that a subclass names.  Nothing is timed: a test that waits for what does
not happen fails after :data:`~plasm.testing._peers.PATIENCE_SECONDS`.
"""

from __future__ import annotations

import socket

import anyio

from plasm.contracts import PeerRecord
from plasm.contracts.transport import ByteStream, Connection
from plasm.errors import AddressUnavailable, InvalidInput, PeerUnreachable
from plasm.model import PeerId
from plasm.testing._peers import (
    ECHO,
    Broken,
    Key,
    all_of,
    at_each_address,
    descriptors,
    echo,
    echoed,
    fails,
    with_port,
)
from plasm.testing._streams import Streams


class TransportContract(Streams):
    """What every transport must do.  A subclass names its ``transport``, and local ``addresses`` of each kind that it
    carries, with 0 for a port; pytest runs it."""

    # ---- Who is there ----

    @at_each_address
    async def test_each_side_knows_who_the_other_is(self, address: str) -> None:
        """Each side of a connection knows the peer id that the other has proved."""
        seen: list[PeerId] = []

        async def handler(connection: Connection, protocol: str, stream: ByteStream) -> None:
            seen.append(connection.peer)

        async with self.pair(address, handler) as pair:
            stream = await pair.connection.open_stream(ECHO)
            assert await stream.receive() == b""
            assert pair.connection.peer == pair.server.peer
            assert seen == [pair.client.peer]
            assert pair.connection.address

    @at_each_address
    async def test_another_peer_at_an_address_is_refused(self, address: str) -> None:
        """Where another peer answers than the one asked for, there is no connection, and the right one still works."""
        async with self.listening(address, echo) as server, self.new() as client:
            claimed = PeerId(Key().public_key)
            bare = [found.removesuffix(f"/p2p/{server.peer}") for found in server.addresses]
            for addresses in (bare, server.addresses, [f"{found}/p2p/{claimed}" for found in bare]):
                await fails(PeerUnreachable, client.transport.dial(PeerRecord(claimed, tuple(addresses))))
            connection = await client.transport.dial(server.record)
            assert await echoed(connection, b"still there") == b"still there"

    # ---- Connections ----

    @at_each_address
    async def test_a_connection_is_used_again(self, address: str) -> None:
        """Dialling a peer that is connected gives the same connection, also to those who dial at once."""
        seen: set[str] = set()

        async def handler(connection: Connection, protocol: str, stream: ByteStream) -> None:
            seen.add(connection.address)

        async with self.listening(address, handler) as server, self.new() as client:

            async def dial() -> None:
                connection = await client.transport.dial(server.record)
                await all_of(await connection.open_stream(ECHO))

            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(dial)
            await dial()
            assert len(seen) == 1, seen

    @at_each_address
    async def test_closing_a_connection_breaks_its_streams(self, address: str) -> None:
        """A connection that is closed takes its streams along on both sides; dialling makes a new one."""
        felt = anyio.Event()

        async def handler(connection: Connection, protocol: str, stream: ByteStream) -> None:
            await stream.send(b"x")
            try:
                await all_of(stream)
            except Broken:
                felt.set()

        async with self.pair(address, handler) as pair:
            stream = await pair.connection.open_stream(ECHO)
            await stream.receive()
            await pair.connection.close()
            await pair.connection.close()
            await fails(Broken, stream.receive())
            await fails(PeerUnreachable, pair.connection.open_stream(ECHO))
            await felt.wait()
            again = await pair.client.transport.dial(pair.server.record)
            assert await (await again.open_stream(ECHO)).receive() == b"x"

    @at_each_address
    async def test_two_peers_at_once(self, address: str) -> None:
        """One transport is connected with two peers and keeps them apart."""
        async with self.listening(address, echo) as one, self.pair(address, echo) as pair:
            other = await pair.client.transport.dial(one.record)
            assert (other.peer, pair.connection.peer) == (one.peer, pair.server.peer)
            streams = [await connection.open_stream(ECHO) for connection in (other, pair.connection)]
            for number, stream in enumerate(streams):
                await stream.send(bytes([number]))
            assert [await stream.receive() for stream in streams] == [b"\0", b"\1"]

    @at_each_address
    async def test_nobody_at_an_address(self, address: str) -> None:
        """Dialling where nobody listens, nowhere, or at what is no address, fails."""
        peer = PeerId(Key().public_key)
        with socket.socket(type=socket.SOCK_DGRAM if "/udp/" in address else socket.SOCK_STREAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        async with self.new() as client:
            for addresses in ([with_port(address, port)], [], ["nonsense", "/ip4/127.0.0.1/udp/1"]):
                await fails(PeerUnreachable, client.transport.dial(PeerRecord(peer, tuple(addresses))))

    # ---- Listening ----

    @at_each_address
    async def test_what_is_listened_at_can_be_dialled(self, address: str) -> None:
        """Each address that listening gives has its port and our peer id, and can be dialled."""
        async with self.listening(address, echo) as server:
            assert server.addresses
            for found in server.addresses:
                assert found.endswith(f"/p2p/{server.peer}")
                assert "/0/" not in found.removeprefix("/ip4/127.0.0.1")
                async with self.new() as client:
                    connection = await client.transport.dial(PeerRecord(server.peer, (found,)))
                    assert await echoed(connection, b"x") == b"x"

    @at_each_address
    async def test_an_address_that_cannot_be_listened_at(self, address: str) -> None:
        """What is no multiaddress is invalid, one that is taken is unavailable."""
        async with self.listening(address, echo) as server, self.new() as other:
            for invalid in ("127.0.0.1:4001", "", "/ip4/127.0.0.1", "/ip4/127.0.0.256/tcp/0", f"{address}/{address}"):
                await fails(InvalidInput, other.transport.listen([invalid], echo, [ECHO]))
            taken = server.addresses[0].removesuffix(f"/p2p/{server.peer}")
            await fails(AddressUnavailable, other.transport.listen([taken], echo, [ECHO]))

    @at_each_address
    async def test_the_end_leaves_nothing_behind(self, address: str) -> None:
        """After the end no socket is open and no task runs, though streams were."""

        async def use() -> None:
            async with self.pair(address, echo) as pair:
                await echoed(pair.connection, b"x")
                stream = await pair.connection.open_stream(ECHO)
                await stream.send(b"x")

        await use()  # what is made once for all is there now
        before = descriptors(), {task.id for task in anyio.get_running_tasks()}
        for _ in range(3):
            await use()
        await anyio.wait_all_tasks_blocked()
        assert descriptors() == before[0]
        assert {task.id for task in anyio.get_running_tasks()} <= before[1]
