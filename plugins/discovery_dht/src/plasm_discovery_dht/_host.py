"""The transport's libp2p host as the DHT gets to see it: it says where this node is, and bounds what is believed.

What peers say of others goes into the host's peer store, which the transport shares.  There it takes little room, and
cannot push out what is known of this node itself and of those with whom there is a connection: libp2p's own bound
evicts the oldest entry first, and that is the one with our key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libp2p.abc import IHost, IPeerStore
from libp2p.peer.envelope import Envelope
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from plasm_discovery_dht._addresses import MAX_ADDRESSES, fitting

MAX_STRANGERS = 512


class BoundedPeerStore:
    """A peer store that takes only so many addresses of so many peers."""

    def __init__(self, host: IHost) -> None:
        self._host = host
        self._store: IPeerStore = host.get_peerstore()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def add_addrs(self, peer_id: ID, addrs: Sequence[Multiaddr], ttl: int = 0) -> None:
        if peer_id == self._host.get_id():
            return
        self._make_room(peer_id)
        known = self._known(peer_id)
        if len(known) >= MAX_ADDRESSES:
            self._store.clear_addrs(peer_id)
        self._store.add_addrs(peer_id, fitting(addrs), ttl)

    def consume_peer_record(self, envelope: Envelope, ttl: int) -> bool:
        """Take what a peer has signed about itself; ``False`` where it is to be refused."""
        record = envelope.record()
        if record.peer_id == self._host.get_id():
            return True
        if len(fitting(record.addrs)) < len(set(record.addrs)):
            return False
        self._make_room(record.peer_id)
        return self._store.consume_peer_record(envelope, ttl)

    def _known(self, peer_id: ID) -> Sequence[Multiaddr]:
        return self._store.addrs(peer_id) if peer_id in self._store.peers_with_addrs() else []

    def _make_room(self, peer_id: ID) -> None:
        known = self._store.peer_ids()
        if len(known) < MAX_STRANGERS or peer_id in known:
            return
        kept = {self._host.get_id(), *self._host.get_connected_peers()}
        strangers = [other for other in known if other not in kept]
        if len(strangers) >= MAX_STRANGERS:
            self._store.clear_peerdata(strangers[0])


class HostView:
    """A host whose addresses are those that are advertised, once there are any."""

    def __init__(self, host: IHost) -> None:
        self._host = host
        self._peerstore = BoundedPeerStore(host)
        self.advertised: Sequence[Multiaddr] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def get_addrs(self) -> list[Multiaddr]:
        return list(self._host.get_addrs() if self.advertised is None else self.advertised)

    def get_peerstore(self) -> BoundedPeerStore:
        return self._peerstore
