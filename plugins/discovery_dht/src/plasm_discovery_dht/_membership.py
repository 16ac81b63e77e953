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
from attrs import frozen
from libp2p.identity.identify_push.identify_push import push_identify_to_peers
from multiaddr import Multiaddr

from plasm.contracts import PeerRecord
from plasm.model import PeerId
from plasm_discovery_dht import _remembered
from plasm_discovery_dht._addresses import fitting, info_of, record_of
from plasm_discovery_dht._gateway import Gateway
from plasm_discovery_dht._host import HostView
from plasm_discovery_dht._kademlia import Kademlia
from plasm_discovery_dht._reachability import Reachability, Verdict

CONNECT_SECONDS: Final = 10.0
REPUBLISH_SECONDS: Final = 3600.0
REFRESH_SECONDS: Final = 300.0
_FIRST_RETRY_SECONDS: Final = 2.0
_LAST_RETRY_SECONDS: Final = 60.0
_CONNECTING_AT_ONCE: Final = 16

_log = logging.getLogger(__name__)


@frozen
class DhtSettings:
    """What a node is told about its place: the peers to begin with, besides those remembered in the file ``memory``;
    addresses to announce besides its own; and whether to have the router open ports."""

    memory: Path
    bootstrap: Sequence[PeerRecord] = ()
    announce: Sequence[Multiaddr] = ()
    opens_ports: bool = False


class Membership:
    """Takes part in the DHT as ``node``."""

    def __init__(self, node: PeerId, host: HostView, dht: Kademlia, settings: DhtSettings) -> None:
        self.joined = anyio.Event()
        """Set when there is a peer to ask, or nobody else to try."""
        self._node = node
        self._host = host
        self._dht = dht
        self._settings = settings
        self._reachability = Reachability(dht.host)
        self._gateway = Gateway() if settings.opens_ports else None
        self._verdict = Verdict.UNKNOWN
        self._keys: Sequence[bytes] = ()
        self._own: Sequence[Multiaddr] = ()
        self._outside: Sequence[Multiaddr] = ()
        self._news = anyio.Event()

    def begin(self, tasks: TaskGroup) -> None:
        """Do all this in ``tasks``."""
        self._reachability.begin()
        tasks.start_soon(self._forever, self._stay_in)
        tasks.start_soon(self._forever, self._publish)
        tasks.start_soon(self._forever, self._ask_whether_we_are_reached)
        if self._gateway is not None:
            tasks.start_soon(self._forever, self._open_ports)

    async def end(self) -> None:
        """Keep what is to be remembered, and close what was opened."""
        self._reachability.end()
        await to_thread.run_sync(self._remember)
        if self._gateway is not None:
            await self._gateway.close()

    async def provide(self, addresses: Sequence[Multiaddr], keys: Sequence[bytes]) -> None:
        """Let it be known that this node is at ``addresses`` and provides ``keys``, and nothing else."""
        for key in self._keys:
            if key not in keys:
                self._dht.provider_store.withdraw(key)
        self._keys, self._own = tuple(keys), tuple(addresses)
        if addresses and self._verdict is not Verdict.PRIVATE:
            await self._dht.serve()
        self._tell_anew()

    def _tell_anew(self) -> None:
        self._host.advertised = fitting([*self._settings.announce, *self._outside, *self._own])
        self._news.set()

    def _remember(self) -> None:
        now = (record_of(info) for info in self._dht.routing_table.get_peer_infos())
        known = {record.peer: record for record in now if record is not None}
        for record in _remembered.load(self._settings.memory):
            known.setdefault(record.peer, record)
        if known:
            _remembered.save(self._settings.memory, known.values())

    async def _forever(self, step: Callable[[float], Awaitable[float]]) -> None:
        """Take ``step`` again and again: after as many seconds as it said, which it is told, or when there is news."""
        seconds = _FIRST_RETRY_SECONDS
        while True:
            news = self._news
            try:
                seconds = await step(seconds)
            except Exception:
                _log.warning("the DHT is in trouble", exc_info=True)
                seconds = _later(seconds)
            with anyio.move_on_after(seconds):
                await news.wait()
                # There is news once for everybody.
                if self._news is news:
                    self._news = anyio.Event()

    async def _stay_in(self, waited: float) -> float:
        if not self._dht.get_routing_table_size():
            remembered = await to_thread.run_sync(_remembered.load, self._settings.memory)
            await self._connect_all([*self._settings.bootstrap, *remembered])
        self.joined.set()
        if not self._dht.get_routing_table_size():
            return _later(waited)
        await self._dht.refresh_routing_table()
        await to_thread.run_sync(self._remember)
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
        await self.joined.wait()
        if not self._keys:
            return REPUBLISH_SECONDS
        # Those who are connected were told at the beginning what we speak and where we are.
        with anyio.move_on_after(CONNECT_SECONDS):
            await push_identify_to_peers(self._dht.host)
        told = [await self._dht.provider_store.provide(key) for key in self._keys]
        return REPUBLISH_SECONDS if all(told) else _later(waited)

    async def _ask_whether_we_are_reached(self, waited: float) -> float:
        await self.joined.wait()
        if not self._own:
            return REFRESH_SECONDS
        verdict = await self._reachability.verdict(self._dht.host.get_connected_peers())
        if verdict is Verdict.UNKNOWN:
            return _later(waited)
        if verdict is not self._verdict:
            self._verdict = verdict
            await self._be_what_we_can_be()
        return REFRESH_SECONDS

    async def _be_what_we_can_be(self) -> None:
        """Whoever cannot be dialled is no server: all others would try in vain."""
        if self._verdict is Verdict.PUBLIC:
            await self._dht.serve()
        else:
            self._dht.stop_serving()
            _log.warning("others cannot dial this node: no address of its own is where its connections come from")
        self._news.set()

    async def _open_ports(self, waited: float) -> float:
        assert self._gateway is not None
        if not self._own:
            return REFRESH_SECONDS
        outside = await self._gateway.open(self._own)
        if outside != self._outside:
            self._outside = outside
            self._tell_anew()
        return REPUBLISH_SECONDS if outside else _later(waited)


def _later(waited: float) -> float:
    """How long to wait before trying again what has not worked."""
    return min(2 * waited, _LAST_RETRY_SECONDS) if waited <= _LAST_RETRY_SECONDS else _FIRST_RETRY_SECONDS
