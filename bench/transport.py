"""Measures the transport against libp2p as it comes, in the same run; both ends in one process, on loopback.

python bench/transport.py

Only the ratios mean something.  Each line takes its reference and its subject in turn and compares medians.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
from attrs import frozen
from libp2p import new_host
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.stream.exceptions import StreamEOF, StreamError
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr
from nacl.signing import SigningKey

from plasm.contracts import ByteStream, Connection, PeerRecord
from plasm.model import PeerId
from plasm_transport_quic.connections import PeerConnection
from plasm_transport_quic.muxing import MuxedConnection
from plasm_transport_quic.quic.connection import QuicConnection
from plasm_transport_quic.transport import Libp2pTransport

ADDRESSES = {"TCP": "/ip4/127.0.0.1/tcp/0", "QUIC": "/ip4/127.0.0.1/udp/0/quic-v1"}
ECHO, DRAIN = "/bench/echo/1", "/bench/drain/1"
BULK = 50 * 2**20
BULK_OVER_SLOW_QUIC = 4 * 2**20  # libp2p's own would take half a minute for the whole
CHUNK = bytes(2**18)
CONNECTS, ECHOES, BULKS = 15, 300, 3


@frozen
class Comparison:
    """One line: what is better by how much, and what is aimed for."""

    name: str
    unit: str
    reference_name: str
    reference: float
    value: float
    less_is_better: bool = True
    aim: float | None = None

    @property
    def ratio(self) -> float:
        """How many times better it is than the reference."""
        return self.reference / self.value if self.less_is_better else self.value / self.reference

    def __str__(self) -> str:
        aim = f"  aim {self.aim:.1f}x" if self.aim is not None else ""
        return (
            f"{self.name:<34} {self.value:9.2f} {self.unit:<5} {self.ratio:6.2f}x better than "
            f"{self.reference_name} ({self.reference:.2f} {self.unit}){aim}"
        )


@frozen
class Link:
    """A connection, whoever made it: what is measured on it."""

    echo: Callable[[], Awaitable[None]]
    carry: Callable[[int], Awaitable[None]]


Connect = Callable[[], AbstractAsyncContextManager[Link]]


class _Key:
    def __init__(self) -> None:
        self._key = SigningKey.generate()
        self.public_key = bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


# ---- libp2p as it comes ----


async def _bare_echo(stream: INetStream) -> None:
    try:
        while True:
            await stream.write(await stream.read(2**18))
    except (StreamEOF, StreamError):
        await stream.close()


async def _bare_drain(stream: INetStream) -> None:
    left = int.from_bytes(await stream.read(8), "big")
    while left:
        left -= len(await stream.read(2**18))
    await stream.write(b"!")
    await stream.close()


@asynccontextmanager
async def bare_server(way: str) -> AsyncIterator[Connect]:
    """A libp2p host; what connects to it is another one."""
    listening = [Multiaddr(ADDRESSES[way])]
    server = new_host(key_pair=create_new_key_pair(), enable_quic=way == "QUIC", listen_addrs=listening)
    server.set_stream_handler(TProtocol(ECHO), _bare_echo)
    server.set_stream_handler(TProtocol(DRAIN), _bare_drain)

    @asynccontextmanager
    async def connect() -> AsyncIterator[Link]:
        client = new_host(key_pair=create_new_key_pair(), enable_quic=way == "QUIC", listen_addrs=listening)
        async with client.run([]):
            info = info_from_p2p_addr(server.get_addrs()[0])
            await client.connect(info)

            async def echo() -> None:
                stream = await client.new_stream(info.peer_id, [TProtocol(ECHO)])
                await stream.write(b"hello")
                await stream.read(5)
                await stream.close()

            async def carry(size: int) -> None:
                stream = await client.new_stream(info.peer_id, [TProtocol(DRAIN)])
                await stream.write(size.to_bytes(8, "big"))
                for start in range(0, size, len(CHUNK)):
                    await stream.write(CHUNK[: size - start])
                await stream.read(1)
                await stream.close()

            yield Link(echo, carry)

    async with server.run(listening):
        yield connect


# ---- The transport ----


async def _answer(connection: Connection, protocol: str, stream: ByteStream) -> None:
    if protocol == ECHO:
        while data := await stream.receive(2**18):
            await stream.send(data)
        return
    left = int.from_bytes(await stream.receive(8), "big")
    while left:
        left -= len(await stream.receive(2**18))
    await stream.send(b"!")


@asynccontextmanager
async def our_server(way: str, *, small_datagrams: bool = False) -> AsyncIterator[Connect]:
    """A node; with ``small_datagrams`` its QUIC connections never try larger ones."""
    key = _Key()

    @asynccontextmanager
    async def connect() -> AsyncIterator[Link]:
        async with Libp2pTransport(_Key()) as client:
            connection = await client.dial(PeerRecord(PeerId(key.public_key), addresses))
            if small_datagrams:
                for transport in (client, server):
                    _keep_small(transport._network.muxed_connections())  # noqa: SLF001 - there is no option for it

            async def echo() -> None:
                stream = await connection.open_stream(ECHO)
                await stream.send(b"hello")
                await stream.receive()
                await stream.send_eof()

            async def carry(size: int) -> None:
                stream = await connection.open_stream(DRAIN)
                await stream.send(size.to_bytes(8, "big"))
                for start in range(0, size, len(CHUNK)):
                    await stream.send(CHUNK[: size - start])
                await stream.receive()
                await stream.send_eof()

            yield Link(echo, carry)

    async with Libp2pTransport(key) as server:
        addresses = tuple(await server.listen([ADDRESSES[way]], _answer, [ECHO, DRAIN]))
        yield connect


def _keep_small(connections: Sequence[MuxedConnection]) -> None:
    for connection in connections:
        assert isinstance(connection, QuicConnection), PeerConnection(connection).address
        connection.engine.send_small_datagrams()


# ---- What is measured ----


async def connecting(servers: Mapping[str, Connect]) -> dict[str, float]:
    """Milliseconds until a connection can be used."""
    taken: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(CONNECTS):
        for name, connect in servers.items():
            start = time.perf_counter()
            async with connect():
                taken[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(times) for name, times in taken.items()}


async def echoing(servers: Mapping[str, Connect]) -> dict[str, tuple[float, float]]:
    """Milliseconds for a stream that is opened for one echo: the median, and the slowest of a hundred."""
    taken: dict[str, list[float]] = {name: [] for name in servers}
    for name, connect in servers.items():
        async with connect() as link:
            for _ in range(ECHOES):
                start = time.perf_counter()
                await link.echo()
                taken[name].append((time.perf_counter() - start) * 1e3)
    return {name: (statistics.median(times), statistics.quantiles(times, n=100)[98]) for name, times in taken.items()}


async def carrying(servers: Mapping[str, Connect], sizes: Mapping[str, int]) -> dict[str, float]:
    """Megabytes a second, one way."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(BULKS):
        for name, connect in servers.items():
            async with connect() as link:
                start = time.perf_counter()
                await link.carry(sizes[name])
                rates[name].append(sizes[name] / 1e6 / (time.perf_counter() - start))
    return {name: statistics.median(found) for name, found in rates.items()}


async def compare(way: str) -> list[Comparison]:
    """All lines of one way to carry streams."""
    lines: list[Comparison] = []
    async with (
        bare_server(way) as bare,
        our_server(way) as ours,
        our_server(way, small_datagrams=way == "QUIC") as small,
    ):
        both = {"bare": bare, "ours": ours}
        name = f"libp2p's {way}"
        times = await connecting(both)
        lines.append(Comparison(f"{way}: connect", "ms", name, times["bare"], times["ours"], aim=10))
        echoes = await echoing(both)
        for which, quantile in enumerate(("median", "99 of 100")):
            bare_time, our_time = echoes["bare"][which], echoes["ours"][which]
            lines.append(Comparison(f"{way}: echo on a new stream, {quantile}", "ms", name, bare_time, our_time, aim=2))
        servers = {**both, "small": small} if way == "QUIC" else both
        sizes = {"ours": BULK, "small": BULK // 4, "bare": BULK_OVER_SLOW_QUIC if way == "QUIC" else BULK}
        rates = await carrying(servers, sizes)
        lines.append(
            Comparison(f"{way}: 50 MB", "MB/s", name, rates["bare"], rates["ours"], less_is_better=False, aim=1)
        )
        if way == "QUIC":
            lines.append(
                Comparison(
                    "QUIC: 50 MB, large datagrams",
                    "MB/s",
                    "datagrams of 1200 bytes",
                    rates["small"],
                    rates["ours"],
                    less_is_better=False,
                    aim=3,
                )
            )
    return lines


def measurements() -> list[Comparison]:
    """Every line of the table."""
    # libp2p has much to say about connections that end; saying it would be part of what is measured.
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(logging.NullHandler())
    return [line for way in ADDRESSES for line in anyio.run(compare, way, backend="trio")]


def main() -> None:
    """Print every measurement."""
    for measurement in measurements():
        print(measurement, flush=True)


if __name__ == "__main__":
    main()
