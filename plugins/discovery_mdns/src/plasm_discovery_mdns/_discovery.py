"""The contract of discovery over multicast DNS, between the event loop and zeroconf's threads."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

import anyio
import trio.lowlevel
from anyio import to_thread

from plasm.contracts import PeerRecord
from plasm.errors import PluginError
from plasm.model import PeerId
from plasm_discovery_mdns._neighbours import Neighbours
from plasm_discovery_mdns._responder import Responder
from plasm_discovery_mdns._service import SERVICES, service_of, services_of

MAX_CANDIDATES = 4096
"""A search ends after so many: each peer comes once only, so they have to be remembered."""


class MdnsDiscovery:
    """Finds libp2p peers on the local network, and providers of what machines boot.

    Multicast DNS knows nothing of what a peer is capable of: whatever is asked for, all peers are candidates.
    Providers are found by keys that begin with ``/phase/``, and say themselves what they have.  Whoever says good-bye
    is forgotten; one whose addresses changed is not found anew by a search that has found it already.
    ``interfaces`` are names or addresses of interfaces; there are no others then.
    """

    def __init__(self, node: PeerId, interfaces: Sequence[str] = ()) -> None:
        self._node = node
        self._interfaces = tuple(interfaces)
        self._heard = {service: Neighbours(time.monotonic) for service in SERVICES}
        self._responder: Responder | None = None
        self._changed = anyio.Event()

    async def __aenter__(self) -> Self:
        """Begin to ask and to listen.

        Raises:
            AddressUnavailable: an interface or the port cannot be had.
        """
        loop = trio.lowlevel.current_trio_token()

        def pass_on() -> None:
            # Zeroconf's thread may be a moment behind the end of the loop.
            with contextlib.suppress(trio.RunFinishedError):
                # However many packets come before the loop gets to it, it is woken once.
                loop.run_sync_soon(self._wake, idempotent=True)

        # Not abandoned when cancelled half-way: somebody has to close what is opened.
        with anyio.CancelScope(shield=True):
            self._responder = await to_thread.run_sync(Responder, self._node, self._interfaces, self._heard, pass_on)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        responder, self._responder = self._responder, None
        self._wake()
        if responder is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(responder.close)

    async def advertise(self, record: PeerRecord, capabilities: Sequence[str]) -> None:
        """Make ``record`` known to the neighbours; for what its node is capable of, they ask itself, and for what a
        provider has, they look into its record.

        Addresses that no neighbour can dial are left out; where none is left, nothing is known any more.
        """
        if self._responder is None:
            raise PluginError("multicast DNS is not running", hint="advertise within its async with block")
        for service in SERVICES:
            if service in services_of(capabilities):
                systems = frozenset(filter(None, map(service.system_of, capabilities)))
                await to_thread.run_sync(self._responder.announce, service, record, systems)
            else:
                await to_thread.run_sync(self._responder.withdraw, service)

    async def find(self, capability: str | None) -> AsyncIterator[PeerRecord]:
        """Every peer on the local network, or every provider that may have what is asked for, as it is heard; ends when
        the discovery does."""
        service = service_of(capability)
        heard, system = self._heard[service], service.system_of(capability)
        found: set[PeerId] = set()
        while self._responder is not None and len(found) < MAX_CANDIDATES:
            changed = self._changed
            for record in heard.records(system):
                if record.peer not in found and len(found) < MAX_CANDIDATES:
                    found.add(record.peer)
                    yield record
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
