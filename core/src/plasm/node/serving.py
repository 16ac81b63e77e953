"""Serving the streams that peers open to this node: what it offers, and jobs."""

from __future__ import annotations

import platform
import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

import plasm
from plasm.contracts import ByteStream, Connection
from plasm.mesh import INFO_PROTOCOL, JOB_PROTOCOL
from plasm.mesh.capability import LIFETIME_SECONDS, CapabilityRecord, RuntimeOffer, sign
from plasm.node.resources import Resources
from plasm.node.service import JobService
from plasm.ops.log import Event
from plasm.streams import send_only

PROTOCOLS: Final = (INFO_PROTOCOL, JOB_PROTOCOL)
_INFO_SECONDS: Final = 10.0
MAX_ADDRESSES: Final = 32
_MAX_REMEMBERED_CONNECTIONS: Final = 1024


class PeerStreams:
    """Answers each stream by its protocol; ``addresses`` are where the node is reached, once that is known."""

    def __init__(self, resources: Resources, service: JobService) -> None:
        self.addresses: Sequence[str] = ()
        self._resources = resources
        self._service = service
        self._log = resources.log
        self._signing = anyio.CapacityLimiter(1)
        self._connected: OrderedDict[str, None] = OrderedDict()

    def record(self) -> CapabilityRecord:
        """What this node offers from now on."""
        now, policy, runtimes = int(time.time()), self._service.policy, self._resources.runtimes.values()
        descriptions = [runtime.description for runtime in runtimes]
        return CapabilityRecord(
            peer=self._resources.peer,
            addresses=self.addresses[:MAX_ADDRESSES],
            arch=platform.machine(),
            runtimes=[RuntimeOffer(each.name, each.version, each.enforces, each.provides) for each in descriptions],
            memory=policy.limits.memory,
            wall_time_ms=policy.limits.wall_time,
            module_bytes=policy.module_bytes,
            workers=max(runtime.load.workers for runtime in runtimes),
            issued_at=now,
            expires_at=now + LIFETIME_SECONDS,
            version=plasm.__version__,
        )

    async def serve(self, connection: Connection, protocol: str, stream: ByteStream) -> None:
        """Serve one stream to its end."""
        self._tell_connection(connection)
        with self._service.tally.serving(connection.peer, stream) as counted:
            if protocol == JOB_PROTOCOL:
                await self._service.serve(connection, counted)
                return
            with anyio.fail_after(_INFO_SECONDS):
                await send_only(counted, await self._signed_record())
            self._log.event(Event.IDENTIFIED, peer=connection.peer)

    async def _signed_record(self) -> bytes:
        # A key may be in a device that takes its time.
        signing = partial(sign, self.record(), self._resources.signer)
        return await anyio.to_thread.run_sync(signing, limiter=self._signing)

    def _tell_connection(self, connection: Connection) -> None:
        """Tell of a connection when its first stream comes; a transport may make a new object for each."""
        where = f"{connection.peer} {connection.address}"
        if where not in self._connected:
            self._connected[where] = None
            self._log.event(Event.CONNECTED, peer=connection.peer, address=connection.address)
            if len(self._connected) > _MAX_REMEMBERED_CONNECTIONS:
                self._connected.popitem(last=False)
