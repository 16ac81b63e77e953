"""The contract of discovery: how peers are found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from attrs import field, frozen

from plasm.model import PeerId


@frozen
class PeerRecord:
    """A candidate: a peer and where it may be reached.  Nothing in it is to be believed before the handshake."""

    peer: PeerId
    addresses: tuple[str, ...] = field(default=(), converter=tuple)


class Discovery(Protocol):
    """Finds peers and lets them find this node."""

    async def advertise(self, record: PeerRecord, capabilities: Sequence[str]) -> None:
        """Make ``record`` known under each capability key, and keep it known until :meth:`stop`."""
        ...

    def find(self, capability: str) -> AsyncIterator[PeerRecord]:
        """Candidates for a capability key, each peer once, as they are found; ends when there are no more."""
        ...

    async def stop(self) -> None:
        """Say good-bye where the protocol can, and release every socket."""
        ...
