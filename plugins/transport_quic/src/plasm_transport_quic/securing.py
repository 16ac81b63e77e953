"""TCP connections made safe: Noise proves who the other side is, then Yamux carries streams."""

from __future__ import annotations

from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.security.noise.exceptions import PeerIDMismatchesPubkey
from libp2p.security.noise.transport import PROTOCOL_ID
from libp2p.security.noise.transport import Transport as Noise

from plasm_transport_quic.memory import Allowance
from plasm_transport_quic.negotiation import agree, propose
from plasm_transport_quic.tcp import RawConnection
from plasm_transport_quic.yamux import PROTOCOL as YAMUX
from plasm_transport_quic.yamux import Yamux

NOISE = str(PROTOCOL_ID)


class AnotherPeer(Exception):
    """The peer that answers is not the one that was asked for."""


class Securing:
    """Upgrades raw connections; what goes wrong is raised as it is, for libp2p's layers have no common errors."""

    def __init__(self, keys: KeyPair, unread: Allowance) -> None:
        self._noise = Noise(keys, create_new_key_pair().private_key)
        self._unread = unread

    async def outbound(self, raw: RawConnection, peer: ID) -> Yamux:
        """``raw`` as a connection to ``peer``.

        Raises:
            AnotherPeer: another one answers.
        """
        await propose(raw, NOISE)
        try:
            secured = await self._noise.secure_outbound(raw, peer)
        except PeerIDMismatchesPubkey:
            raise AnotherPeer from None
        if secured.get_remote_peer() != peer:
            raise AnotherPeer
        await propose(secured, YAMUX)
        return Yamux(secured, raw.endpoint, self._unread)

    async def inbound(self, raw: RawConnection) -> Yamux:
        """``raw`` as a connection from the peer that proves to be at its other end."""
        await agree(raw, [NOISE])
        secured = await self._noise.secure_inbound(raw)
        await agree(secured, [YAMUX])
        return Yamux(secured, raw.endpoint, self._unread)
