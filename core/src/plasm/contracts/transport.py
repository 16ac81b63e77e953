"""The contract of a transport: authenticated, encrypted streams between peers.

Everything here runs on anyio with trio underneath.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from plasm.contracts.discovery import PeerRecord
from plasm.model import PeerId


class ByteStream(Protocol):
    """One ordered, reliable, two-way stream of bytes within a connection.

    Every call raises ``anyio.BrokenResourceError`` once the other side has reset the stream or the connection is gone,
    and ``anyio.ClosedResourceError`` after our own :meth:`reset`.  What the other side had sent and finished before the
    connection went may still be received.
    """

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """The next bytes, at most ``max_bytes``; empty when the other side has finished sending."""
        ...

    async def send(self, data: bytes) -> None:
        """Send all of ``data``; waits while the other side does not read."""
        ...

    async def send_eof(self) -> None:
        """Finish sending; receiving goes on.  Harmless when repeated."""
        ...

    async def reset(self) -> None:
        """Abandon both directions at once; the other side's calls fail.  Harmless when repeated."""
        ...


class Connection(Protocol):
    """An encrypted connection whose other end has proved its peer id."""

    @property
    def peer(self) -> PeerId: ...

    @property
    def address(self) -> str:
        """The multiaddress of the other end, as far as it is known; for people and logs."""
        ...

    async def open_stream(self, protocol: str) -> ByteStream:
        """A new stream for ``protocol``.

        Raises:
            PeerUnreachable: the connection is gone.
            ProtocolNotSpoken: the other side does not speak ``protocol``.
        """
        ...

    async def close(self) -> None:
        """Close it with all its streams.  Harmless when repeated."""
        ...


StreamHandler = Callable[[Connection, str, ByteStream], Awaitable[None]]


class Transport(Protocol):
    """Carries streams between peers; encrypted always, the remote peer id authenticated before the first byte.

    An asynchronous context manager: it works inside its ``async with`` block, whose end closes every connection and
    releases every socket and task.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def listen(self, addresses: Sequence[str], handler: StreamHandler, protocols: Sequence[str]) -> Sequence[str]:
        """Accept streams for ``protocols`` at these multiaddresses, at the transport's usual ones where there are none;
        returns those at which peers can dial, with ports resolved and our peer id at the end.

        ``handler`` is called in a task of its own for each stream, with the protocol that it is for; when it raises,
        the stream is reset.

        Raises:
            InvalidInput: a multiaddress that is none, or of a kind that this transport does not carry.
            AddressUnavailable: an address that cannot be listened at.
        """
        ...

    async def dial(self, record: PeerRecord, *, payload: int = 0) -> Connection:
        """Connect to that very peer at one of its addresses; a connection that there is already is used.

        ``payload`` is about how many bytes are to be carried: where a peer offers several ways, they decide.

        Raises:
            PeerUnreachable: no address answers, or another peer does.
        """
        ...
