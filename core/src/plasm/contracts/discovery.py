"""The contract of discovery: how peers are found.

Everything here runs on anyio with trio underneath.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from attrs import field, frozen

from plasm.model import PeerId


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@frozen
class PeerRecord:
    """A candidate: a peer and the multiaddresses where it may be reached.

    Believe nothing in it before the handshake.
    """

    peer: PeerId
    addresses: tuple[str, ...] = field(default=(), converter=_texts)

    @classmethod
    def parse(cls, address: str) -> PeerRecord:
        """The peer at one multiaddress that ends in ``/p2p/`` and its id, as people and programs name peers.

        Raises:
            InvalidInput: no peer id at its end, or no address before it.
        """
        return cls(PeerId.of_address(address), (address,))


class Discovery(Protocol):
    """Finds peers and lets them find this node.

    An asynchronous context manager: it works inside its ``async with`` block, whose end says good-bye where the
    protocol can, and releases every socket and task.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def advertise(self, record: PeerRecord, capabilities: Sequence[str]) -> None:
        """Make ``record`` known under each capability key, and keep it known until the block ends.  Called again, the
        new record takes the place of the former."""
        ...

    def find(self, capability: str | None) -> AsyncIterator[PeerRecord]:
        """Candidates for a capability key, each peer once, as they are found; ``None`` asks for all that can be found
        without one.  Goes on until the caller stops where the protocol has no end, and never yields this node."""
        ...
