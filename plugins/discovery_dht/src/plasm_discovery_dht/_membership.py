"""A node's part in the DHT: it joins through peers that it knows, stays in, and keeps known what it provides.

Everything here goes on in the background, and nothing that fails ends it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from libp2p.identity.identify_push.identify_push import push_identify_to_peers

from plasm.contracts import PeerRecord
from plasm.model import PeerId
from plasm_discovery_dht import _remembered
from plasm_discovery_dht._addresses import info_of, record_of
from plasm_discovery_dht._kademlia import Kademlia

CONNECT_SECONDS: Final = 10.0
REPUBLISH_SECONDS: Final = 3600.0
REFRESH_SECONDS: Final = 300.0
_FIRST_RETRY_SECONDS: Final = 2.0
_LAST_RETRY_SECONDS: Final = 60.0
_CONNECTING_AT_ONCE: Final = 16

_log = logging.getLogger(__name__)


class Membership:
    """Begins with the peers of ``bootstrap`` and those in the file ``memory``, where new ones are kept."""

    def __init__(self, dht: Kademlia, node: PeerId, bootstrap: Sequence[PeerRecord], memory: Path) -> None:
        self.joined = anyio.Event()
        """Set when there is a peer to ask, or nobody else to try."""
        self._dht = dht
        self._node = node
        self._bootstrap = bootstrap
        self._memory = memory
        self._keys: Sequence[bytes] = ()
        self._news = anyio.Event()

    def begin(self, tasks: TaskGroup) -> None:
        """Do all this in ``tasks``."""
        tasks.start_soon(self._forever, self._stay_in)
        tasks.start_soon(self._forever, self._publish)

    def provide(self, keys: Sequence[bytes]) -> None:
        """Let it be known that this node provides ``keys``, and no others."""
        for key in self._keys:
            if key not in keys:
                self._dht.provider_store.withdraw(key)
        self._keys = tuple(keys)
        self._news.set()

    def remember(self) -> None:
        """Keep the peers that are known in the file, those of the DHT now first.  Blocks."""
        now = (record_of(info) for info in self._dht.routing_table.get_peer_infos())
        known = {record.peer: record for record in now if record is not None}
        for record in _remembered.load(self._memory):
            known.setdefault(record.peer, record)
        if known:
            _remembered.save(self._memory, known.values())

    async def _forever(self, step: Callable[[float], Awaitable[float]]) -> None:
        """Take ``step`` again and again, each time after as many seconds as it said; it is told how many they were."""
        seconds = _FIRST_RETRY_SECONDS
        while True:
            try:
                seconds = await step(seconds)
            except Exception:
                _log.warning("the DHT is in trouble", exc_info=True)
                seconds = _later(seconds)
            with anyio.move_on_after(seconds):
                await (self._news.wait() if step == self._publish else anyio.sleep_forever())

    async def _stay_in(self, waited: float) -> float:
        if not self._dht.get_routing_table_size():
            remembered = await to_thread.run_sync(_remembered.load, self._memory)
            await self._connect_all([*self._bootstrap, *remembered])
        self.joined.set()
        if not self._dht.get_routing_table_size():
            return _later(waited)
        await self._dht.refresh_routing_table()
        await to_thread.run_sync(self.remember)
        return REFRESH_SECONDS

    async def _connect_all(self, peers: Iterable[PeerRecord]) -> None:
        limiter = anyio.CapacityLimiter(_CONNECTING_AT_ONCE)
        async with anyio.create_task_group() as tasks:
            for record in peers:
                if record.peer != self._node:
                    tasks.start_soon(self._connect, record, limiter)

    async def _connect(self, record: PeerRecord, limiter: anyio.CapacityLimiter) -> None:
        info = info_of(record)
        async with limiter:
            with anyio.move_on_after(CONNECT_SECONDS):
                try:
                    await self._dht.host.connect(info)
                except Exception as error:  # libp2p's layers let many kinds through
                    _log.info("cannot begin with %s: %s", record.peer, error)
                    return
                if await self._dht.add_peer(info.peer_id):
                    self.joined.set()
                else:
                    _log.info("cannot begin with %s: it is no server of the DHT", record.peer)

    async def _publish(self, waited: float) -> float:
        self._news = anyio.Event()
        await self.joined.wait()
        if not self._keys:
            return REPUBLISH_SECONDS
        # Those who are connected have been told at the beginning what we speak and where we are.
        with anyio.move_on_after(CONNECT_SECONDS):
            await push_identify_to_peers(self._dht.host)
        told = [await self._dht.provider_store.provide(key) for key in self._keys]
        return REPUBLISH_SECONDS if all(told) else _later(waited)


def _later(seconds: float) -> float:
    return min(2 * seconds, _LAST_RETRY_SECONDS)
