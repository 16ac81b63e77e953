"""TCP: sockets, and the raw connections that libp2p's Noise secures."""

from __future__ import annotations

import errno
import socket
from typing import Final

import trio
from libp2p.abc import IRawConnection
from libp2p.connection_types import ConnectionType
from libp2p.io.exceptions import ConnectionClosedError
from multiaddr import Multiaddr

from plasm.errors import AddressUnavailable
from plasm_transport_quic.addresses import Carrier, Endpoint, of_socket

_BACKLOG = 128
_CHUNK: Final = 2**18
FAMILIES = {"ip4": socket.AF_INET, "ip6": socket.AF_INET6}


class RawConnection(IRawConnection):
    """A TCP connection as libp2p wants it.

    libp2p 0.8.1's own does not know the address of a peer reached over IPv6, and makes two system calls a message.
    """

    def __init__(self, stream: trio.SocketStream, *, is_initiator: bool) -> None:
        self.is_initiator = is_initiator
        self.endpoint = of_socket(Carrier.TCP, stream.socket.getpeername())
        self._stream = stream
        self._buffer = bytearray()

    async def read(self, n: int | None = None) -> bytes:
        if not self._buffer:
            try:
                self._buffer += await self._stream.receive_some(_CHUNK)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionClosedError(str(error)) from error
            if not self._buffer:
                raise ConnectionClosedError("the other side closed the connection")
        data = bytes(memoryview(self._buffer)[: len(self._buffer) if n is None or n < 0 else n])
        del self._buffer[: len(data)]
        return data

    async def write(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError(str(error)) from error

    async def close(self) -> None:
        # Not the stream's way, which would leave the socket open where this task was cancelled.
        self._stream.socket.close()

    def get_remote_address(self) -> tuple[str, int]:
        return self.endpoint.host, self.endpoint.port

    def get_transport_addresses(self) -> list[Multiaddr]:
        return [Multiaddr(str(self.endpoint))]

    def get_connection_type(self) -> ConnectionType:
        return ConnectionType.DIRECT


async def connect(endpoint: Endpoint) -> RawConnection:
    """A connection to ``endpoint``.

    Raises:
        OSError: it does not answer.
    """
    sock = trio.socket.socket(FAMILIES[endpoint.network], socket.SOCK_STREAM)
    try:
        await sock.connect((endpoint.host, endpoint.port))
    except BaseException:
        sock.close()
        raise
    return RawConnection(trio.SocketStream(sock), is_initiator=True)


def listen(endpoint: Endpoint) -> trio.SocketListener:
    """A listening socket.

    Raises:
        AddressUnavailable: the port is taken, or the address is not this machine's.
    """
    sock = socket.socket(FAMILIES[endpoint.network], socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        # Connections of a process that has just ended would keep its port; one that is listened at stays taken.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bind(sock, endpoint)
        sock.listen(_BACKLOG)
        return trio.SocketListener(trio.socket.from_stdlib_socket(sock))
    except BaseException:
        sock.close()
        raise


def bind(sock: socket.socket, endpoint: Endpoint) -> None:
    """Bind ``sock`` to ``endpoint``.

    Raises:
        AddressUnavailable: it cannot be had.
    """
    if endpoint.network == "ip6":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.bind((endpoint.host, endpoint.port))
    except OSError as error:
        hint = "name another port, or 0 for any" if error.errno == errno.EADDRINUSE else ""
        raise AddressUnavailable(f"cannot listen at {endpoint}: {error.strerror}", hint=hint) from error
