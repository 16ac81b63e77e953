"""The contract of a transport: authenticated, encrypted streams between peers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from plasm.contracts.discovery import PeerRecord
from plasm.model import PeerId


class ByteStream(Protocol):
    """One ordered, reliable, two-way stream of bytes within a connection."""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """The next bytes, at most ``max_bytes``; empty when the other side has finished sending."""
        ...

    async def send(self, data: bytes) -> None:
        """Send all of ``data``; waits while the other side does not read."""
        ...

    async def send_eof(self) -> None:
        """Finish sending; receiving goes on."""
        ...

    async def reset(self) -> None:
        """Abandon both directions at once; the other side's calls fail."""
        ...


class Connection(Protocol):
    """An encrypted connection whose other end has proved its peer id."""

    @property
    def peer(self) -> PeerId: ...

    async def open_stream(self, protocol: str) -> ByteStream: ...

    async def close(self) -> None: ...


StreamHandler = Callable[[Connection, str, ByteStream], Awaitable[None]]


class Transport(Protocol):
    """Carries streams between peers; encrypted always, the remote peer id authenticated before the first byte."""

    async def listen(self, handler: StreamHandler, protocols: Sequence[str]) -> Sequence[str]:
        """Accept streams for ``protocols``; returns the multiaddresses where peers can dial."""
        ...

    async def dial(self, record: PeerRecord) -> Connection:
        """Connect to that very peer at one of its addresses.

        Raises:
            PlasmError: no address answers, or another peer does.
        """
        ...

    async def stop(self) -> None: ...
