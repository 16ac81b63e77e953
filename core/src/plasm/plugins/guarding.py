"""What plugins made, seen from outside: what goes wrong in it is the plugin's failure, by name.

A guard stands before a signer, a transport or a discovery and has the methods of its contract; everything else is that
of the object itself, its class too.  Connections and streams are not guarded: bytes go past here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from plasm.errors import PlasmError
from plasm.plugins.loading import blame, is_interrupt

if TYPE_CHECKING:
    from plasm.contracts import Connection, PeerRecord, StreamHandler
    from plasm.plugins.index import PluginEntry

T = TypeVar("T")


@contextmanager
def blaming(entry: PluginEntry, method: str, block_error: BaseException | None = None) -> Iterator[None]:
    """What the block raises is the failure of the plugin of ``entry`` in ``method``.

    Cancellation passes as it is, and so do Plasm's errors, anyio's for streams that are gone, and ``block_error``: what
    was raised inside the plugin's own ``async with`` block, alone or in a group.

    Raises:
        PluginError: the plugin fails.
    """
    try:
        yield
    except (Exception, BaseExceptionGroup, KeyboardInterrupt, SystemExit) as error:
        fault = _fault(error, block_error)
        if fault is None:
            raise
        raise blame(entry, f"failed in {method}", fault) from fault


def _fault(error: BaseException, block_error: BaseException | None) -> BaseException | None:
    """The first error in ``error``, which may be a group, that the plugin is to blame for."""
    if error is block_error:
        return None
    if isinstance(error, BaseExceptionGroup):
        faults = (_fault(each, block_error) for each in error.exceptions)
        return next((fault for fault in faults if fault is not None), None)
    if isinstance(error, PlasmError) or is_interrupt(error):
        return None
    import anyio

    passing = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, StopAsyncIteration)
    blamed = isinstance(error, (Exception, SystemExit, KeyboardInterrupt))
    return error if blamed and not isinstance(error, passing) else None


class Guard:
    """Stands before the object ``made`` by the plugin of ``entry``."""

    def __init__(self, made: Any, entry: PluginEntry) -> None:
        self._made = made
        self._entry = entry

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._made)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)


class GuardedSigner(Guard):
    """A :class:`~plasm.contracts.Signer`."""

    @property
    def public_key(self) -> bytes:
        with blaming(self._entry, "public_key"):
            return _checked(self._made.public_key, bytes)

    def sign(self, message: bytes) -> bytes:
        with blaming(self._entry, "sign"):
            return _checked(self._made.sign(message), bytes)


class _GuardedContext(Guard):
    async def __aenter__(self) -> Self:
        with blaming(self._entry, "__aenter__"):
            await self._made.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        with blaming(self._entry, "__aexit__", error):
            return await self._made.__aexit__(kind, error, trace)


class GuardedTransport(_GuardedContext):
    """A :class:`~plasm.contracts.Transport`."""

    async def listen(self, addresses: Sequence[str], handler: StreamHandler, protocols: Sequence[str]) -> Sequence[str]:
        with blaming(self._entry, "listen"):
            reached = await self._made.listen(addresses, handler, protocols)
            if isinstance(reached, str):
                raise TypeError("it returned one text, not a sequence of them")
            return tuple(_checked(address, str) for address in reached)

    async def dial(self, record: PeerRecord, *, payload: int = 0) -> Connection:
        from plasm.contracts import Connection
        from plasm.plugins.fitting import misfit

        with blaming(self._entry, "dial"):
            connection: Connection = await self._made.dial(record, payload=payload)
            misfitting = misfit(connection, Connection)
            if misfitting is not None:
                raise TypeError(f"what it returned {misfitting}")
        return connection


class GuardedDiscovery(_GuardedContext):
    """A :class:`~plasm.contracts.Discovery`."""

    async def advertise(self, record: PeerRecord, capabilities: Sequence[str]) -> None:
        with blaming(self._entry, "advertise"):
            await self._made.advertise(record, capabilities)

    def find(self, capability: str | None) -> AsyncIterator[PeerRecord]:
        with blaming(self._entry, "find"):
            return _GuardedSearch(aiter(self._made.find(capability)), self._entry)


class _GuardedSearch(Guard):
    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PeerRecord:
        from plasm.contracts import PeerRecord

        with blaming(self._entry, "find"):
            return _checked(await self._made.__anext__(), PeerRecord)


def _checked(value: object, wanted: type[T]) -> T:
    if not isinstance(value, wanted):
        raise TypeError(f"it gave a {type(value).__name__}, not {wanted.__name__}")
    return value
