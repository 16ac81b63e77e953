"""Carries streams between peers with libp2p: over QUIC, and over TCP with Noise and Yamux."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plasm.hookspecs import hookimpl

if TYPE_CHECKING:
    from plasm.config import Config
    from plasm.contracts import BootMode, RootfsNeeds, Signer
    from plasm_transport_quic.transport import Libp2pTransport

PLASM_HOOK_API = 1
PLASM_PREFERENCE = 100


@hookimpl
def plasm_transport(config: Config, identity: Signer) -> Libp2pTransport:
    """A transport that proves to be ``identity``; it neither reads nor keeps files."""
    from plasm_transport_quic.resolving import have_a_name_server

    have_a_name_server()
    from plasm_transport_quic.transport import Libp2pTransport

    return Libp2pTransport(identity)


@hookimpl
def plasm_compose_rootfs(mode: BootMode) -> RootfsNeeds:
    """The ports at which libp2p's peers usually listen, for QUIC and for TCP: a firewall has to know them."""
    from plasm.contracts import RootfsNeeds

    listen = "/ip4/0.0.0.0/udp/4001/quic-v1,/ip4/0.0.0.0/tcp/4001"
    return RootfsNeeds(ports=("udp/4001", "tcp/4001"), configuration={"node.listen": listen})
