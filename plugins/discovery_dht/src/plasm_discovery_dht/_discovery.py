"""The contract of discovery over the DHT."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

import anyio
from libp2p.abc import IHost
from libp2p.peer.peerinfo import PeerInfo
from libp2p.tools.anyio_service import background_trio_service

from plasm.contracts import PeerRecord
from plasm.errors import PluginError
from plasm.model import PeerId
from plasm_discovery_dht._addresses import info_of, key_of, record_of
from plasm_discovery_dht._host import HostView
from plasm_discovery_dht._kademlia import Kademlia
from plasm_discovery_dht._lookup import Lookup
from plasm_discovery_dht._membership import DhtSettings, Membership

MAX_CANDIDATES: Final = 1000
JOIN_SECONDS: Final = 15.0

_log = logging.getLogger(__name__)


class DhtDiscovery:
    """Finds peers by what they provide, through peers that are known already.

    A node that listens when it enters, or that advertises, is a server of the DHT; any other is a client, which nobody
    asks.  What is advertised goes out in the background, again every hour, and cannot be taken back: it expires.
    """

    def __init__(self, node: PeerId, transport: object, settings: DhtSettings) -> None:
        """``transport`` has a libp2p ``host`` in its block."""
        self._node = node
        self._transport = transport
        self._settings = settings

    async def __aenter__(self) -> Self:
        """Join the DHT; that goes on in the background, and a search waits for it.

        Raises:
            PluginError: the transport has no host, or is not running.
        """
        host: IHost | None = getattr(self._transport, "host", None)
        if host is None:
            raise PluginError("the DHT needs a running transport over libp2p", hint="add --transport quic")
        self._host = HostView(host)
        self._dht = Kademlia(self._host, server=bool(host.get_transport_addrs()))
        self._membership = Membership(self._node, self._host, self._dht, self._settings)
        async with AsyncExitStack() as stack:
            stack.callback(self._dht.stop_serving)
            await stack.enter_async_context(background_trio_service(self._dht))
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._tasks.cancel_scope.cancel)
            self._membership.begin(self._tasks)
            self._exits = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, Exception):
                # What goes wrong in the block is the block's: our nurseries would only wrap it.
                await self._exits.aclose()
            else:
                await self._exits.__aexit__(kind, error, trace)
        finally:
            with anyio.CancelScope(shield=True):
                await self._membership.end()

    async def advertise(self, record: PeerRecord, capabilities: Sequence[str]) -> None:
        """Make ``record`` known under each capability key; returns before all are told.

        Raises:
            InvalidInput: an address in ``record`` is no multiaddress.
        """
        keys = [key_of(capability) for capability in capabilities]
        await self._membership.provide(info_of(record).addrs, keys)

    async def find(self, capability: str | None) -> AsyncIterator[PeerRecord]:
        """Candidates, as they are named; for ``None`` the peers of the DHT nearby.

        Ends when those who are closest to the key have been asked, or after :data:`MAX_CANDIDATES`.
        """
        into, found = anyio.create_memory_object_stream[PeerRecord](math.inf)
        scope = anyio.CancelScope()
        seen = {self._node}

        def name(info: PeerInfo) -> None:
            record = record_of(info) or record_of(self._dht.routing_table.get_peer_info(info.peer_id) or info)
            if record is not None and record.peer not in seen and len(seen) <= MAX_CANDIDATES:
                seen.add(record.peer)
                # An answer may come just when the caller has had enough.
                with contextlib.suppress(anyio.BrokenResourceError):
                    into.send_nowait(record)

        async def search() -> None:
            with into, scope:
                try:
                    await (self._nearby(name) if capability is None else self._providers(key_of(capability), name))
                except Exception:
                    _log.warning("a search in the DHT has failed", exc_info=True)

        # In the discovery's own tasks: a caller may leave a generator half-way, and then nobody ends what it began.
        self._tasks.start_soon(search)
        try:
            async for record in found:
                yield record
        finally:
            scope.cancel()
            found.close()

    async def _providers(self, key: bytes, name: Callable[[PeerInfo], None]) -> None:
        for info in self._dht.provider_store.get_providers(key):
            name(info)
        await self._wait_until_joined()
        await Lookup(self._dht.host, self._dht.routing_table, key, name).run()

    async def _nearby(self, name: Callable[[PeerInfo], None]) -> None:
        await self._wait_until_joined()
        for info in self._dht.routing_table.get_peer_infos():
            name(info)
        await Lookup(self._dht.host, self._dht.routing_table, self._dht.local_peer_id.to_bytes()).run()
        for info in self._dht.routing_table.get_peer_infos():
            name(info)

    async def _wait_until_joined(self) -> None:
        with anyio.move_on_after(JOIN_SECONDS):
            await self._membership.joined.wait()
