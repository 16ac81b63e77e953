"""A provider at work: its sockets, its metrics and its advertisement, from start to finished stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import trio
from anyio import to_thread
from attrs import frozen

from plasm.errors import InvalidInput, PlasmError, UnreadableInput
from plasm.ops.concurrency import beside, task_group
from plasm.ops.log import Event, Log
from plasm.ops.metrics_page import MetricsPage
from plasm.ops.service_manager import ServiceManager
from plasm_boot.provider.addresses import HostPort, reached_at
from plasm_boot.provider.advertising import Advertise, Advertisement, Advertising, advertising
from plasm_boot.provider.application import Application
from plasm_boot.provider.catalogue import Catalogue
from plasm_boot.provider.folder import Folder
from plasm_boot.provider.names import TIMESTAMP
from plasm_boot.provider.serving import Server, bound_to, listen
from plasm_boot.provider.statistics import Statistics
from plasm_boot.provider.throttling import ConnectionSlots, TokenBuckets

LOOK_SECONDS: Final = 5.0
"""So often it is looked for what was published meanwhile, and for addresses that this machine has got."""


@frozen
class ProviderSettings:
    """How a provider is run.

    ``announced`` are endpoints to advertise in place of those where it listens; ``metrics`` is where they are served,
    if they are; ``grace`` is in how many seconds what is being sent has to be finished at the end.
    """

    repository: Path
    listen: HostPort
    advertising: Advertising
    announced: tuple[HostPort, ...] = ()
    metrics: HostPort | None = None
    connections: int = 512
    connections_per_client: int = 32
    requests_per_minute: int = 1200
    grace: float = 30.0


class Provider:
    """Serves a repository.  Used once: :meth:`run` it, and :meth:`stop` it from another task.

    Raises:
        UnreadableInput: there is no such folder, or it cannot be read.
        InvalidInput: it is not a repository.
    """

    def __init__(self, settings: ProviderSettings, log: Log, manager: ServiceManager | None = None) -> None:
        path = settings.repository
        if not path.is_dir():
            raise UnreadableInput(f"there is no folder {path}", hint="give the one that plasm boot publish wrote to")
        self._catalogue = Catalogue(path)
        if not self._catalogue.is_repository:
            raise InvalidInput(
                f"{path} is not a repository: it has no {TIMESTAMP}", hint="make one with: plasm boot publish"
            )
        self._settings = settings
        self._log = log
        self._manager = manager or ServiceManager({})
        self._statistics = Statistics(time.monotonic())
        buckets = TokenBuckets(settings.requests_per_minute, time.monotonic)
        application = Application(Folder(path), self._catalogue, self._statistics, buckets, time.monotonic)
        slots = ConnectionSlots(settings.connections, settings.connections_per_client)
        self._server = Server(application, slots, self._statistics)
        self._stopping = trio.Event()

    def stop(self) -> None:
        """Take no more connections, and end when what is being sent has been."""
        self._stopping.set()

    async def run(self, ready: Callable[[Sequence[HostPort]], None] | None = None) -> None:
        """Work until :meth:`stop` is called; ``ready`` is told where clients reach it, once they do.

        Raises:
            PlasmError: a plugin that is missing or fails, an address that cannot be listened at.
        """
        listeners = await listen(self._settings.listen)
        async with AsyncExitStack() as resources:
            for listener in listeners:
                resources.push_async_callback(listener.aclose)
            bound = bound_to(listeners)
            await to_thread.run_sync(self._catalogue.refresh)
            metrics = await self._measure(resources)
            advertise = await resources.enter_async_context(advertising(self._settings.advertising, self._log))
            for endpoint in bound:
                self._log.event(Event.LISTENING, address=endpoint.url)
            await beside(
                partial(self._serve, listeners, bound, ready),
                partial(self._keep_advertised, bound, advertise),
                *metrics,
            )
        self._log.event(Event.STOPPED)

    async def _serve(
        self,
        listeners: Sequence[trio.SocketListener],
        bound: Sequence[HostPort],
        ready: Callable[[Sequence[HostPort]], None] | None,
    ) -> None:
        async with task_group() as tasks:
            tasks.start_soon(self._tell_of_the_end)
            if ready is not None:
                ready(reached_at(bound))
            self._manager.ready(f"serving {self._settings.repository} at {', '.join(map(str, bound))}")
            await self._server.serve(listeners, self._stopping, self._settings.grace)

    async def _tell_of_the_end(self) -> None:
        await self._stopping.wait()
        running = self._statistics.connections
        self._manager.stopping(f"finishing {running} connections")
        self._log.event(Event.DRAINING, running=running)

    async def _keep_advertised(self, bound: Sequence[HostPort], advertise: Advertise) -> None:
        """Advertise, and again whenever something else is to be said."""
        said: Advertisement | None = None
        while True:
            try:
                advertisement = await self._advertisement(bound)
            except PlasmError as error:
                # It passes, most likely, as being out of descriptors does; what was said stays true meanwhile.
                self._log.event(Event.WARNING, code=error.code, detail=error)
            else:
                if advertisement != said and (advertisement.keys or said):
                    await advertise(advertisement)
                said = advertisement
            await anyio.sleep(LOOK_SECONDS)

    async def _advertisement(self, bound: Sequence[HostPort]) -> Advertisement:
        """What there is now."""
        await to_thread.run_sync(self._catalogue.refresh)
        where = self._settings.announced or reached_at(bound)
        return Advertisement(tuple(endpoint.multiaddress for endpoint in where), self._catalogue.keys)

    async def _measure(self, resources: AsyncExitStack) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What serves the metrics; nothing where they are off, and then their library is not imported either."""
        if self._settings.metrics is None:
            return []
        from plasm.ops.metrics_page import CONTENT_TYPE
        from plasm_boot.provider.metrics import ProviderMetrics

        metrics = ProviderMetrics(self._statistics, self._catalogue)
        page = MetricsPage(str(self._settings.metrics), metrics.page, CONTENT_TYPE)
        listener, url = await page.listen()
        resources.push_async_callback(listener.aclose)
        self._log.event(Event.METRICS, address=url)
        return [partial(page.serve, listener)]
