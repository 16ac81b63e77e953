"""libp2p's Kademlia, with bounds on what a stranger can make it do.

What libp2p 0.8.1 leaves open and is closed here: a peer that only asks is taken for a server; twelve silent streams
keep all others out; messages of 4 MiB are taken apart; provider records of any number of keys are kept, and values.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any, cast

import trio
from libp2p.abc import IHost, INetStream
from libp2p.kad_dht.common import PROTOCOL_ID
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.kad_dht.peer_routing import PeerRouting
from libp2p.kad_dht.provider_store import ProviderStore
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from libp2p.peer.peerstore import PeerStoreError
from libp2p.records.validator import NamespacedValidator

from plasm_discovery_dht._addresses import fitting
from plasm_discovery_dht._host import HostView
from plasm_discovery_dht._lookup import Lookup

MAX_KEYS = 1024
MAX_REQUEST_BYTES = 8192
MAX_STREAMS_OF_PEER = 4
STREAM_SECONDS = 10
_ANSWER_SECONDS = 5

_log = logging.getLogger(__name__)


class Routing(PeerRouting):
    """libp2p's routing, walking our way."""

    async def find_closest_peers_network(self, target_key: bytes, count: int = 20) -> list[ID]:
        return (await Lookup(self.host, self.routing_table, target_key).run())[:count]


class Providers(ProviderStore):
    """Who provides what, as far as this node was told; at most so many keys."""

    def add_provider(self, key: bytes, provider: PeerInfo) -> None:
        if key not in self.providers and len(self.providers) >= MAX_KEYS:
            strangers = (other for other in self.providers if other not in self.providing_keys)
            self.providers.pop(next(strangers, key), None)
        super().add_provider(key, PeerInfo(provider.peer_id, fitting(provider.addrs)))

    def withdraw(self, key: bytes) -> None:
        """Stop providing ``key``; those who were told keep it until it expires."""
        self.providing_keys.discard(key)
        self.providers.get(key, {}).pop(str(self.local_peer_id), None)


class Kademlia(KadDHT):
    """A node of the DHT: a server that answers others, or a client that only asks."""

    provider_store: Providers

    def __init__(self, host: HostView, *, server: bool) -> None:
        mode = DHTMode.SERVER if server else DHTMode.CLIENT
        # No validator for any kind of value: none is kept.
        nothing = NamespacedValidator({}, strict_validation=True)
        seen = cast("IHost", host)
        super().__init__(seen, mode, validator=nothing, validator_changed=True, strict_validation=True)
        self.peer_routing = Routing(seen, self.routing_table)
        self.provider_store = Providers(seen, self.peer_routing)
        self._probing: set[ID] = set()
        self._answering: Counter[ID] = Counter()

    @property
    def is_server(self) -> bool:
        return self.mode is DHTMode.SERVER

    async def serve(self) -> None:
        """Be a server from now on."""
        if not self.is_server:
            await self.switch_mode(DHTMode.SERVER)

    def stop_serving(self) -> None:
        """Answer nobody any more; what is known of others stays known."""
        if self.is_server:
            self.mode = DHTMode.CLIENT
            self.host.remove_stream_handler(PROTOCOL_ID)

    async def handle_stream(self, stream: INetStream) -> None:
        peer_id = stream.muxed_conn.peer_id
        if self._answering[peer_id] >= MAX_STREAMS_OF_PEER:
            await stream.reset()
            return
        self._answering[peer_id] += 1
        try:
            with trio.move_on_after(STREAM_SECONDS) as patience:
                await super().handle_stream(cast("INetStream", _ShortRequests(stream)))
        finally:
            self._answering[peer_id] -= 1
            self._answering += Counter()  # drops those with none
        if patience.cancelled_caught:
            await stream.reset()
        # Once more: only what it asked has said where the peer can be reached.
        await self.add_peer(peer_id)

    async def add_peer(self, peer_id: ID, *, skip_server_mode_check: bool = False) -> bool:
        """Take a peer into the routing table if it is a server, which its asking does not make it."""
        if peer_id in self._probing:
            return False
        self._probing.add(peer_id)
        try:
            return await self._serves(peer_id) and await super().add_peer(peer_id, skip_server_mode_check=True)
        finally:
            self._probing.discard(peer_id)

    async def _serves(self, peer_id: ID) -> bool:
        if self.routing_table.peer_in_table(peer_id):
            return True
        try:
            protocols = self.host.get_peerstore().get_protocols(peer_id)
        except PeerStoreError:
            protocols = []
        if protocols:
            return PROTOCOL_ID in protocols
        with trio.move_on_after(_ANSWER_SECONDS):
            try:
                stream = await self.host.new_stream(peer_id, [PROTOCOL_ID])
            except Exception as error:  # libp2p's layers let many kinds through
                _log.debug("%s is no server of the DHT: %r", peer_id, error)
            else:
                await stream.close()
                return True
        return False


class _ShortRequests:
    """A stream on which no long message is read."""

    def __init__(self, stream: INetStream) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def read(self, n: int | None = None) -> bytes:
        if n is None or n > MAX_REQUEST_BYTES:
            raise ValueError("a request that is too long")
        return await self._stream.read(n)
