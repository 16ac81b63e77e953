"""Whether others can dial this node: it asks them to try, by libp2p's AutoNAT, and tries for those who ask.

https://github.com/libp2p/specs/blob/master/autonat/autonat-v1.md

libp2p 0.8.1 answers every such question with yes: it goes by whether there is a connection, and there is always the
one over which it was asked.  Here a TCP connection is tried; an address of another kind is not judged.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import cast

import trio
from libp2p.abc import IHost, INetStream
from libp2p.host.autonat.autonat import AUTONAT_PROTOCOL_ID, AutoNATService
from libp2p.host.autonat.pb.autonat_pb2 import Message
from libp2p.host.basic_host import BasicHost
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStoreError
from multiaddr import Multiaddr

MAX_ASKED = 4
_MAX_TRIED = 4
_TRYING_AT_ONCE = 8
_TRY_SECONDS = 5
_ANSWER_SECONDS = 30
_QUESTION_SECONDS = 10

_log = logging.getLogger(__name__)


class Verdict(Enum):
    """What others say about this node."""

    UNKNOWN = "unknown"
    PUBLIC = "public"
    PRIVATE = "private"


class Reachability(AutoNATService):
    """Asks and answers whether an address can be dialled; answers between :meth:`begin` and :meth:`end`."""

    def __init__(self, host: IHost) -> None:
        super().__init__(cast("BasicHost", host), serve=False)
        self._trying = trio.CapacityLimiter(_TRYING_AT_ONCE)

    def begin(self) -> None:
        self.host.set_stream_handler(AUTONAT_PROTOCOL_ID, self.handle_stream)

    def end(self) -> None:
        self.host.remove_stream_handler(AUTONAT_PROTOCOL_ID)

    async def verdict(self, servers: Iterable[ID]) -> Verdict:
        """Ask some of ``servers``: one that gets through settles it, else one that does not."""
        verdict = Verdict.UNKNOWN
        for server in [server for server in servers if self._can_judge(server)][:MAX_ASKED]:
            try:
                status, _ = await self.query_server(server, timeout=_ANSWER_SECONDS)
            except Exception as error:  # libp2p's layers let many kinds through
                _log.debug("%s does not say whether we can be dialled: %r", server, error)
                continue
            finally:
                self.dial_results.clear()
            if status == Message.OK:
                return Verdict.PUBLIC
            # Refused: the address that we come from is none of those where we listen.
            if status in (Message.E_DIAL_ERROR, Message.E_DIAL_REFUSED):
                verdict = Verdict.PRIVATE
        return verdict

    async def handle_stream(self, stream: INetStream) -> None:
        with trio.move_on_after(_QUESTION_SECONDS + _TRY_SECONDS) as patience:
            await super().handle_stream(stream)
        if patience.cancelled_caught:
            await stream.reset()

    def _can_judge(self, server: ID) -> bool:
        """It speaks the protocol, and we have an address of the kind from which we came to it."""
        try:
            protocols = self.host.get_peerstore().get_protocols(server)
        except PeerStoreError:
            return False
        connections = self.host.get_network().get_connections(server)
        if AUTONAT_PROTOCOL_ID not in protocols or not connections:
            return False
        remote = {str(address).split("/")[1] for address in connections[0].get_transport_addresses()}
        return bool(remote & {f"ip{ip.version}" for ip, _ in _tcp(self.host.get_addrs())})

    async def _try_dial(self, peer_id: ID, addrs: list[bytes]) -> bytes | None:
        """The first of ``addrs``, all at the IP address from which the question came, where somebody answers."""
        async with self._trying:
            with trio.move_on_after(_TRY_SECONDS):
                for address in addrs[:_MAX_TRIED]:
                    for ip, port in _tcp([Multiaddr(address)]):
                        try:
                            connection = await trio.open_tcp_stream(str(ip), port)
                        except OSError:
                            continue
                        await connection.aclose()
                        return address
        return None


def _tcp(addresses: Sequence[Multiaddr]) -> Iterable[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """The direct addresses for peers over TCP among ``addresses``; behind others there is a relay, or HTTP."""
    for address in addresses:
        match str(address).split("/"):
            case ["", "ip4" | "ip6", ip, "tcp", port, *rest] if {"p2p-circuit", "http"}.isdisjoint(rest):
                yield ipaddress.ip_address(ip), int(port)
