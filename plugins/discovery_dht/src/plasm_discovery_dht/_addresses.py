"""Peers and addresses, between Plasm's words and libp2p's.  Pure.

Addresses that come from peers are bounded here, and those that are no multiaddresses left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr

from plasm.contracts import PeerRecord
from plasm.errors import InvalidInput
from plasm.model import PeerId

MAX_ADDRESSES = 16
MAX_ADDRESS_BYTES = 256

_SHA2_256 = bytes([0x12, 0x20])


def key_of(capability: str) -> bytes:
    """Where a capability is in the DHT: the multihash of its text, as any CID of those bytes carries it."""
    return _SHA2_256 + hashlib.sha256(capability.encode()).digest()


def fitting(addresses: Iterable[Multiaddr]) -> list[Multiaddr]:
    """As many of ``addresses`` as are kept of one peer."""
    kept: list[Multiaddr] = []
    for address in addresses:
        if len(address.to_bytes()) <= MAX_ADDRESS_BYTES and address not in kept:
            kept.append(address)
        if len(kept) == MAX_ADDRESSES:
            break
    return kept


def from_bytes(addresses: Iterable[bytes]) -> list[Multiaddr]:
    """Those of ``addresses``, as a message has them, that can be kept."""
    kept: list[Multiaddr] = []
    for address in addresses:
        if not 0 < len(address) <= MAX_ADDRESS_BYTES or len(kept) == MAX_ADDRESSES:
            continue
        try:
            multiaddr = Multiaddr(address)
            # There and back: the library takes an address that was cut off for another one.
            if Multiaddr(str(multiaddr)).to_bytes() == address:
                kept.append(multiaddr)
        except Exception:  # noqa: S112 - each kind of nonsense raises another kind of error
            continue
    return kept


def record_of(info: PeerInfo) -> PeerRecord | None:
    """A candidate; ``None`` where it is no peer of ours, or nowhere."""
    try:
        peer = PeerId.parse(str(info.peer_id))
    except InvalidInput:
        return None
    ending = f"/p2p/{peer}"
    texts = [str(address) for address in fitting(info.addrs)]
    complete = dict.fromkeys(text if text.endswith(ending) else text + ending for text in texts)
    return PeerRecord(peer, complete) if complete else None


def info_of(record: PeerRecord) -> PeerInfo:
    """A record as libp2p wants it.

    Raises:
        InvalidInput: an address in it is no multiaddress.
    """
    return PeerInfo(ID.from_string(str(record.peer)), [parsed(address) for address in record.addresses])


def bootstrap_peers(addresses: Iterable[str]) -> list[PeerRecord]:
    """The peers at these multiaddresses, each of which ends in ``/p2p/`` and an id.

    Raises:
        InvalidInput: one is no multiaddress, or names no peer.
    """
    peers: dict[PeerId, list[str]] = {}
    for address in addresses:
        parsed(address)
        try:
            peer = PeerId.of_address(address)
        except InvalidInput:
            raise InvalidInput(
                f"cannot begin with {address[:300]!r}: it does not say who is there",
                hint="a bootstrap address looks like /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…",
            ) from None
        peers.setdefault(peer, []).append(address)
    return [PeerRecord(peer, those) for peer, those in peers.items()]


def parsed(address: str) -> Multiaddr:
    """The multiaddress that is written like this.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return Multiaddr(address)
    except Exception as error:
        raise InvalidInput(f"{address[:300]!r} is not a multiaddress: {error}") from None
