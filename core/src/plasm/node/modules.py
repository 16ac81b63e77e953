"""The modules of jobs that come from elsewhere: kept from an earlier job, or received with this one."""

from __future__ import annotations

from typing import Final

import anyio
import anyio.to_thread

from plasm.artifacts.modules import Module
from plasm.artifacts.store import ModuleStore
from plasm.errors import InvalidInput, ProtocolViolation
from plasm.mesh.messages import ModuleChunk, Offer
from plasm.model import Sha256, sha256_hex
from plasm.node.job_io import MessageChannel

_RECEIVE_SECONDS: Final = 30.0
_SLOWEST_BYTES_A_SECOND: Final = 64 * 2**10
_THREADS: Final = 4


class Modules:
    """The modules in ``store``; disk and digests are left to a few threads."""

    def __init__(self, store: ModuleStore) -> None:
        self._store = store
        self._threads = anyio.CapacityLimiter(_THREADS)

    async def find(self, digest: Sha256) -> Module | None:
        """The module with this digest, or ``None``."""
        recalled = self._store.recall(digest)
        return recalled or await anyio.to_thread.run_sync(self._store.get, digest, limiter=self._threads)

    async def receive(self, channel: MessageChannel, offer: Offer) -> Module:
        """The module of ``offer`` as it comes; kept, for the next time.

        Raises:
            ProtocolViolation: it does not come whole.
            InvalidInput: it is another one.
        """
        parts: list[bytes] = []
        left = offer.module_size
        with anyio.fail_after(_RECEIVE_SECONDS + offer.module_size / _SLOWEST_BYTES_A_SECOND):
            while left:
                message = await channel.receive()
                if not isinstance(message, ModuleChunk):
                    raise ProtocolViolation("the stream ended within a module")
                parts.append(message.data)
                left -= len(message.data)
        return await anyio.to_thread.run_sync(self._keep, parts, offer.module, limiter=self._threads)

    def _keep(self, parts: list[bytes], digest: Sha256) -> Module:
        data = b"".join(parts)
        if sha256_hex(data) != digest:
            raise InvalidInput("the module that was sent is not the one that was offered")
        module = Module.of(data)
        self._store.put(module)
        return module
