"""Walking through the DHT towards a key: ask those closest to it, and those whom they name, until none is closer.

libp2p's own walk waits for each round's slowest peer, tells nothing before its end, and takes ids and addresses of any
length from strangers; an id of a few MiB keeps it writing it down, in base58, for hours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import trio
from libp2p.abc import IHost
from libp2p.kad_dht.common import ALPHA, BUCKET_SIZE, PROTOCOL_ID
from libp2p.kad_dht.pb.kademlia_pb2 import Message
from libp2p.kad_dht.routing_table import RoutingTable
from libp2p.kad_dht.utils import sort_peer_ids_by_distance
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from libp2p.utils.varint import encode_uvarint, read_varint_prefixed_bytes_limited

from plasm_discovery_dht._addresses import from_bytes

MAX_ASKED = 100
MAX_ANSWER_BYTES = 2**20
MAX_PROVIDERS_OF_PEER = 100
MAX_ID_BYTES = 64
ANSWER_SECONDS = 10

_KEEP_ADDRESSES_SECONDS = 1800
_FEW_PEERS = 5

_log = logging.getLogger(__name__)


class Lookup:
    """One walk to ``key``; calls ``found`` with each provider that a peer names, as often as it is named."""

    def __init__(
        self, host: IHost, table: RoutingTable, key: bytes, found: Callable[[PeerInfo], None] | None = None
    ) -> None:
        self._host = host
        self._table = table
        self._key = key
        self._found = found
        self._known: list[ID] = []
        self._asked: set[ID] = set()
        self._failed: set[ID] = set()

    async def run(self) -> list[ID]:
        """Walk to the end: the peers closest to the key of those that answer."""
        self._learn(self._table.find_local_closest_peers(self._key, BUCKET_SIZE))
        if len(self._known) < _FEW_PEERS:
            self._learn(self._host.get_connected_peers())
        under_way = 0
        answered = trio.Event()

        async def ask(peer: ID) -> None:
            nonlocal under_way
            await self._ask(peer)
            under_way -= 1
            answered.set()

        async with trio.open_nursery() as nursery:
            while True:
                while under_way < ALPHA and (peer := self._next()) is not None:
                    self._asked.add(peer)
                    under_way += 1
                    nursery.start_soon(ask, peer)
                if not under_way:
                    return self._closest()
                await answered.wait()
                answered = trio.Event()

    def _closest(self) -> list[ID]:
        return [peer for peer in self._known if peer not in self._failed][:BUCKET_SIZE]

    def _next(self) -> ID | None:
        if len(self._asked) >= MAX_ASKED:
            return None
        return next((peer for peer in self._closest() if peer not in self._asked), None)

    def _learn(self, peers: Iterable[ID]) -> None:
        strangers = {*peers}.difference(self._known, [self._host.get_id()])
        self._known = sort_peer_ids_by_distance(self._key, [*self._known, *strangers])[: MAX_ASKED * 2]

    async def _ask(self, peer: ID) -> None:
        answer = None
        with trio.move_on_after(ANSWER_SECONDS):
            try:
                answer = await self._answer(peer)
            except Exception as error:  # libp2p's layers let many kinds through
                _log.debug("%s does not answer: %r", peer, error)
        if answer is None:
            self._failed.add(peer)
            self._table.remove_peer(peer)
            return
        await self._table.add_peer(peer, skip_server_mode_check=True)
        for provider in _named(answer.providerPeers, MAX_PROVIDERS_OF_PEER):
            if self._found is not None:
                self._found(provider)
        closer = list(_named(answer.closerPeers, BUCKET_SIZE))
        for other in closer:
            if other.addrs:
                self._host.get_peerstore().add_addrs(other.peer_id, other.addrs, _KEEP_ADDRESSES_SECONDS)
        self._learn(other.peer_id for other in closer)

    async def _answer(self, peer: ID) -> Message | None:
        """What ``peer`` says, unless it is about something else."""
        kind = Message.FIND_NODE if self._found is None else Message.GET_PROVIDERS
        question = Message(type=kind, key=self._key)
        if peer not in self._host.get_connected_peers() and (known := self._table.get_peer_info(peer)):
            # The peer store forgets sooner than the table.
            self._host.get_peerstore().add_addrs(peer, known.addrs, _KEEP_ADDRESSES_SECONDS)
        stream = await self._host.new_stream(peer, [PROTOCOL_ID])
        try:
            written = question.SerializeToString()
            await stream.write(encode_uvarint(len(written)) + written)
            answer = Message()
            answer.ParseFromString(await read_varint_prefixed_bytes_limited(stream, MAX_ANSWER_BYTES))
        except BaseException:
            with trio.CancelScope(shield=True):
                await stream.reset()
            raise
        await stream.close()
        return answer if answer.type == kind else None


def _named(peers: Iterable[Any], most: int) -> Iterable[PeerInfo]:
    """The peers of a message, as far as they are to be heeded."""
    for peer, _ in zip(peers, range(most), strict=False):
        if 0 < len(peer.id) <= MAX_ID_BYTES:
            yield PeerInfo(ID(peer.id), from_bytes(peer.addrs))
