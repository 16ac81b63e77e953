"""UDP sockets, and how large a datagram the path to a peer carries.

Datagrams are never fragmented: the kernel refuses one that is larger than it knows the path to carry.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final

import trio
from attrs import frozen

from plasm_transport_quic.addresses import Carrier, Endpoint, of_socket
from plasm_transport_quic.tcp import FAMILIES, bind

_LARGEST = 65536
_BUFFER_BYTES = 4 * 2**20
_AT_ONCE: Final = 64
_ANCILLARY_BYTES = 64

# From <linux/in.h> and <linux/in6.h>; Python names only some of them.
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _DO = 10, 23, 2
_IP_MTU, _IPV6_MTU = 14, 24
_IP_PKTINFO, _IPV6_PKTINFO, _IPV6_RECVPKTINFO = 8, 50, 49
_IPV4_AND_UDP_BYTES, _IPV6_AND_UDP_BYTES = 28, 48

Address = tuple[Any, ...]
"""As the kernel has it: for IPv6 there is more in it than host and port."""
Ancillary = Sequence[tuple[int, int, bytes]]


class DatagramTooLarge(Exception):
    """The path does not carry it."""


@frozen
class Datagram:
    """One that arrived: from where, and at which of our addresses, in the form in which an answer is given it."""

    data: bytes
    sender: Address
    arrived_at: Ancillary


class UdpSocket:
    """A socket of which datagrams are read as many as there are."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._connected = False

    @property
    def endpoint(self) -> Endpoint:
        """Where it is bound."""
        return of_socket(Carrier.QUIC, self._socket.getsockname())

    async def receive(self) -> list[Datagram]:
        """What has arrived, which is one at least.

        Raises:
            OSError: for a connected socket, when nobody listens at the other end.
        """
        while True:
            await trio.lowlevel.wait_readable(self._socket.fileno())
            datagrams: list[Datagram] = []
            try:
                while len(datagrams) < _AT_ONCE:
                    data, ancillary, _, sender = self._socket.recvmsg(_LARGEST, _ANCILLARY_BYTES)
                    datagrams.append(Datagram(data, sender, [_answering(*part) for part in ancillary]))
            except BlockingIOError:
                pass
            except OSError:
                if not datagrams:
                    raise
            if datagrams:
                return datagrams

    async def send(self, data: bytes, receiver: Address, sent_from: Ancillary) -> None:
        """Send one.

        Raises:
            DatagramTooLarge: the path does not carry it.
            OSError: it cannot be sent, or an earlier one did not reach anybody.
        """
        while True:
            try:
                if self._connected:
                    self._socket.send(data)
                else:
                    self._socket.sendmsg([data], sent_from, 0, receiver)
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._socket.fileno())
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    raise DatagramTooLarge from error
                raise
            else:
                return

    def close(self) -> None:
        trio.lowlevel.notify_closing(self._socket.fileno())
        self._socket.close()

    @classmethod
    def to(cls, endpoint: Endpoint) -> UdpSocket:
        """A socket that sends to ``endpoint`` alone, and hears from nobody else.

        Raises:
            OSError: there is no way to it.
        """
        sock = _make(endpoint)
        try:
            sock.connect((endpoint.host, endpoint.port))
        except BaseException:
            sock.close()
            raise
        made = cls(sock)
        made._connected = True
        return made

    @classmethod
    def at(cls, endpoint: Endpoint) -> UdpSocket:
        """A socket bound to ``endpoint``.

        Raises:
            AddressUnavailable: it cannot be had.
        """
        sock = _make(endpoint)
        try:
            # Else an answer could leave with another address of ours than the one that was asked.
            if endpoint.network == "ip6":
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            bind(sock, endpoint)
        except BaseException:
            sock.close()
            raise
        return cls(sock)


def largest_datagram(peer: Address) -> int:
    """How many bytes a datagram to ``peer`` can have as far as the kernel knows: it knows the first link, and what it
    was told of those behind it.

    Raises:
        OSError: there is no way to it.
    """
    is_ip6 = ":" in peer[0]
    with socket.socket(socket.AF_INET6 if is_ip6 else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(peer)
        if is_ip6:
            return sock.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU) - _IPV6_AND_UDP_BYTES
        return sock.getsockopt(socket.IPPROTO_IP, _IP_MTU) - _IPV4_AND_UDP_BYTES


def _make(endpoint: Endpoint) -> socket.socket:
    sock = socket.socket(FAMILIES[endpoint.network], socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    if endpoint.network == "ip6":
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _DO)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _DO)
    return sock


def _answering(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """Where a datagram arrived, as the kernel wants to hear from where to send."""
    if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
        # The interface is the route's to choose, the address is the second of two.
        _, local, _ = struct.unpack("@i4s4s", data)
        return level, kind, struct.pack("@i4s4s", 0, local, bytes(4))
    return level, kind, data
