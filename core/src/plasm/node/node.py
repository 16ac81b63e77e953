"""A node at work: its resources, its network and its control socket, from start to drained stop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from plasm.control.access import Access
from plasm.control.address import SOCKET_NAME
from plasm.control.lock import NodeLock
from plasm.control.server import ControlSocket
from plasm.errors import PlasmError
from plasm.model import PeerId
from plasm.node.answers import Answers
from plasm.node.configuration import NodeOptions, PolicyReload
from plasm.node.extensions import NodeExtensions
from plasm.node.lifecycle import Lifecycle, NodeEvent, NodeState
from plasm.node.network import join
from plasm.node.resources import Resources, open_resources
from plasm.node.retention import keep_pruned
from plasm.node.service import JobService
from plasm.ops.concurrency import beside
from plasm.ops.log import Event, Log
from plasm.ops.service_manager import ServiceManager, keep_watched
from plasm.plugins import PluginHost

Serve = Callable[[], Coroutine[Any, Any, None]]


class Node:
    """This machine as a node, with the plugins of ``host``.  Used once: :meth:`run` it, and :meth:`drain` or
    :meth:`stop` it from another task.

    Raises:
        PluginError: an extension or the signer cannot be used.
    """

    def __init__(self, host: PluginHost, options: NodeOptions, log: Log, manager: ServiceManager | None = None) -> None:
        self._config = host.config
        self._options = options
        self._log = log
        self._manager = manager or ServiceManager({})
        self._host = host
        self._extensions = NodeExtensions(host, log)
        self._signer, _ = self._host.signer_made_if_missing(options.signer)
        self.peer = PeerId(self._signer.public_key)
        self._life = Lifecycle(self._changed)
        self._ready = anyio.Event()
        self._stopped = anyio.Event()
        self._reloading = anyio.Lock()
        self._addresses: Sequence[str] = ()

    def drain(self) -> None:
        """Take no more jobs, and end when those that run have ended; until then it can be undone."""
        self._life.happen(NodeEvent.DRAIN)

    def stop(self) -> None:
        """Take no more jobs, and end when those that run have ended, whatever is asked for meanwhile."""
        self._life.happen(NodeEvent.STOP)

    async def reload(self, read: Callable[[], PolicyReload]) -> None:
        """Decide by the policy that ``read`` finds from now on; where it finds none, nothing changes.  A node that is
        starting does it when it is ready."""
        await self._ready.wait()
        async with self._reloading:
            self._life.happen(NodeEvent.RELOAD)
            try:
                found = await anyio.to_thread.run_sync(read)
            except PlasmError as error:
                self._log.event(Event.RELOAD_FAILED, code=error.code, detail=error)
            else:
                self._service.use(found.policy)
                self._log.event(Event.RELOADED, ignored=", ".join(found.ignored) or None)
            self._life.happen(NodeEvent.RELOADED)

    async def run(self, ready: Callable[[Sequence[str]], None] | None = None) -> None:
        """Work until :meth:`drain` or :meth:`stop` is called; ``ready`` is told the addresses once peers can come.

        Raises:
            PlasmError: a plugin that is missing or fails, an address that cannot be listened at.
        """
        options, host = self._options, self._host
        async with AsyncExitStack() as stack:
            stack.enter_context(NodeLock(self._config.state_dir))
            closing = stack.enter_context(ExitStack())
            own = (self._signer, self._extensions, self._log)
            resources = await anyio.to_thread.run_sync(open_resources, closing, host, options, *own)
            store = resources.ledger.store
            self._service = service = JobService(resources, options.policy, self._life)
            metrics = await self._measure(stack, resources)
            network = await join(stack, host, options, resources, service)
            answers = Answers(resources, network, service, self._life)
            access = Access.named(options.control_group)
            control = ControlSocket(self._config.runtime_dir / SOCKET_NAME, answers.table(), access)
            await beside(
                partial(self._work, network.addresses, ready),
                partial(control.serve, await control.listen()),
                partial(keep_pruned, store, options.retention, self._log),
                partial(keep_watched, self._manager, store.answers),
                *metrics,
            )
        self._log.event(Event.STOPPED, peer=self.peer)

    async def _work(self, addresses: Sequence[str], ready: Callable[[Sequence[str]], None] | None) -> None:
        self._addresses = addresses
        if ready is not None:
            ready(addresses)
        self._life.happen(NodeEvent.OPENED)
        await self._stopped.wait()
        await self._extensions.flush()

    def _changed(self, before: NodeState, after: NodeState) -> None:
        """Tell the log, the service manager and those who wait."""
        running = self._life.running
        if after is NodeState.READY:
            self._manager.ready(f"{self.peer} at {', '.join(self._addresses)}")
            self._ready.set()
            if before is NodeState.DRAINING:
                self._log.event(Event.UNDRAINED, running=running)
        elif after is NodeState.RELOADING:
            self._manager.reloading()
        elif after is NodeState.DRAINING:
            # Not that it stops: systemd would kill the jobs that are still to come to their end.
            self._manager.status(f"draining, {running} running")
            self._log.event(Event.DRAINING, running=running)
        elif after is NodeState.STOPPING:
            self._manager.stopping(f"finishing {running} jobs")
            if before is not NodeState.DRAINING:
                self._log.event(Event.DRAINING, running=running)
        elif after is NodeState.STOPPED:
            if before is NodeState.DRAINING:
                self._manager.stopping(f"finishing {running} jobs")
            self._stopped.set()

    async def _measure(self, stack: AsyncExitStack, resources: Resources) -> list[Serve]:
        """What serves the metrics; nothing where they are off, and then their library is not imported either."""
        if self._options.metrics is None:
            return []
        from plasm.node.metrics import Metrics
        from plasm.ops.metrics_page import CONTENT_TYPE, MetricsPage

        metrics = Metrics(self._service.tally, self._life, resources)
        page = MetricsPage(self._options.metrics, metrics.page, CONTENT_TYPE)
        listener, url = await page.listen()
        stack.push_async_callback(listener.aclose)
        self._log.event(Event.METRICS, address=url)
        return [partial(page.serve, listener)]
