"""A node at work: its transport, its discoveries, its workers and its ledger, from start to drained stop."""

from __future__ import annotations

import os
import platform
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Any, Final

import anyio
import anyio.abc
import anyio.to_thread
from attrs import field, frozen

import plasm
from plasm.artifacts.cache import ArtifactCache
from plasm.artifacts.store import ModuleStore
from plasm.contracts import ByteStream, Connection, Discovery, PeerRecord, Transport
from plasm.control.access import Access
from plasm.control.address import SOCKET_NAME
from plasm.control.lock import NodeLock
from plasm.control.server import ControlSocket
from plasm.errors import PlasmError
from plasm.execution.parent.executor import Executor
from plasm.mesh import INFO_PROTOCOL, JOB_PROTOCOL
from plasm.mesh.capability import LIFETIME_S, CapabilityRecord, RuntimeOffer, sign
from plasm.model import PeerId
from plasm.node.answers import Answers
from plasm.node.configuration import PolicyReload
from plasm.node.extensions import NodeExtensions
from plasm.node.loopback import LoopbackConnection
from plasm.node.peers import KnownPeers
from plasm.node.policy import Policy
from plasm.node.relay import Relay
from plasm.node.retention import Retention, keep_pruned
from plasm.node.revisiting import Revisiting
from plasm.node.service import Engine, JobService
from plasm.node.store import Store
from plasm.ops.concurrency import beside, task_group
from plasm.ops.log import Event, Log
from plasm.ops.service_manager import ServiceManager, keep_watched
from plasm.plugins import PluginHost, PluginKind
from plasm.streams import send_only
from plasm.submission.search import Finder
from plasm.submission.submitter import Submitter

INFO_SECONDS: Final = 10.0
MAX_REMEMBERED_CONNECTIONS: Final = 1024


def _cores() -> int:
    return os.cpu_count() or 1


@frozen
class Settings:
    """How a node is run.  Plugins by their names; ``listen`` are multiaddresses, the transport's usual ones without;
    ``metrics`` is where they are served, if they are; members of ``control_group`` may have jobs run over the control
    socket."""

    runtimes: tuple[str, ...] = ()
    discoveries: tuple[str, ...] = ()
    transport: str | None = None
    signer: str | None = None
    listen: tuple[str, ...] = ()
    workers: int = field(factory=_cores)
    waiting: int = 64
    policy: Policy = field(factory=Policy)
    retention: Retention = field(factory=Retention)
    metrics: str | None = None
    control_group: str | None = None


class Node:
    """This machine as a node, with the plugins of ``host``.  Used once: :meth:`run` it, and :meth:`drain` it from
    another task.

    Raises:
        PluginError: an extension or the signer cannot be used.
    """

    def __init__(self, host: PluginHost, settings: Settings, log: Log, manager: ServiceManager | None = None) -> None:
        self._config = host.config
        self._settings = settings
        self._log = log
        self._manager = manager or ServiceManager({})
        self._policy = settings.policy
        self._host = host
        self._extensions = NodeExtensions(host, log)
        self._signer, _ = self._host.signer_made_if_missing(settings.signer)
        self.peer = PeerId(self._signer.public_key)
        self._stopping = anyio.Event()
        self._ready = anyio.Event()
        self._reloading = anyio.Lock()
        self._addresses: tuple[str, ...] = ()
        self._connected: OrderedDict[str, None] = OrderedDict()

    def drain(self) -> None:
        """Take no more jobs, and end when those that run have ended."""
        self._stopping.set()

    async def reload(self, read: Callable[[], PolicyReload]) -> None:
        """Decide by the policy that ``read`` finds from now on; where it finds none, nothing changes.  A node that is
        starting does it when it is ready."""
        await self._ready.wait()
        async with self._reloading:
            self._manager.reloading()
            try:
                found = await anyio.to_thread.run_sync(read)
            except PlasmError as error:
                self._log.event(Event.RELOAD_FAILED, code=error.code, detail=error)
            else:
                self._policy = found.policy
                self._service.use(found.policy)
                self._log.event(Event.RELOADED, ignored=", ".join(found.ignored) or None)
            self._manager.ready(self._status())

    async def run(self, ready: Callable[[Sequence[str]], None] | None = None) -> None:
        """Work until :meth:`drain` is called; ``ready`` is told the addresses once peers can come.

        Raises:
            PlasmError: a plugin that is missing or fails, an address that cannot be listened at.
        """
        settings = self._settings
        with ExitStack() as resources:
            resources.enter_context(NodeLock(self._config.state_dir))
            engines = await anyio.to_thread.run_sync(self._start_engines, resources)
            store = Store(self._config.state_dir / "node.sqlite")
            resources.callback(store.close)
            modules = ModuleStore(self._config.state_dir / "modules")
            known = KnownPeers(self.peer, store)
            service = JobService(
                self._policy,
                engines,
                self._signer,
                modules,
                store,
                known,
                self._extensions,
                self._log,
            )
            async with AsyncExitStack() as network:
                metrics = await self._measure(network, service, engines)
                transport: Transport = await network.enter_async_context(
                    self._host.transport(self._signer, settings.transport)
                )
                self._engines, self._service = engines, service
                self._addresses = tuple(
                    await transport.listen(settings.listen, self._serve, [INFO_PROTOCOL, JOB_PROTOCOL])
                )
                for address in self._addresses:
                    self._log.event(Event.LISTENING, peer=self.peer, address=address)
                tasks = await network.enter_async_context(task_group())
                network.callback(tasks.cancel_scope.cancel)
                own = LoopbackConnection(self.peer, self._serve, tasks)
                revisiting = Revisiting(known, transport, tasks, lambda: self._policy.deny)
                finders: list[Finder] = [revisiting, *await self._advertise(network, transport)]
                runtimes = self._host.names(PluginKind.RUNTIME)
                submitter = Submitter(transport, finders, own=own, witness=known, runtimes=runtimes)
                relay = Relay(submitter, modules)
                answers = Answers(
                    self.peer,
                    self._addresses,
                    engines,
                    self._extensions,
                    service,
                    store,
                    known,
                    submitter,
                    relay,
                    self.drain,
                )
                access = Access.named(settings.control_group)
                control = ControlSocket(self._config.runtime_dir / SOCKET_NAME, answers.table(), access)
                await beside(
                    partial(self._work, ready),
                    partial(control.serve, await control.listen()),
                    partial(keep_pruned, store, settings.retention, self._log),
                    partial(keep_watched, self._manager, store.answers),
                    *metrics,
                )
        self._log.event(Event.STOPPED, peer=self.peer)

    def _status(self) -> str:
        return f"{self.peer} at {', '.join(self._addresses)}"

    async def _work(self, ready: Callable[[Sequence[str]], None] | None) -> None:
        if ready is not None:
            ready(self._addresses)
        self._manager.ready(self._status())
        self._ready.set()
        await self._stopping.wait()
        running = self._service.running
        self._manager.stopping(f"finishing {running} jobs")
        self._log.event(Event.DRAINING, running=running)
        await self._service.drain()
        await self._extensions.flush()

    def _tell_connection(self, connection: Connection) -> None:
        """Tell of a connection when its first stream comes; a transport may make a new object for each."""
        where = f"{connection.peer} {connection.address}"
        if where not in self._connected:
            self._connected[where] = None
            self._log.event(Event.CONNECTED, peer=connection.peer, address=connection.address)
            if len(self._connected) > MAX_REMEMBERED_CONNECTIONS:
                self._connected.popitem(last=False)

    def record(self) -> CapabilityRecord:
        """What this node offers from now on."""
        now, settings = int(time.time()), self._settings
        descriptions = [engine.description for engine in self._engines.values()]
        return CapabilityRecord(
            peer=self.peer,
            addresses=self._addresses[:32],
            arch=platform.machine(),
            runtimes=[RuntimeOffer(each.name, each.version, each.enforces, each.provides) for each in descriptions],
            memory=self._policy.limits.memory,
            wall_time_ms=self._policy.limits.wall_time,
            module_bytes=self._policy.module_bytes,
            workers=settings.workers,
            issued_at=now,
            expires_at=now + LIFETIME_S,
            version=plasm.__version__,
        )

    async def _serve(self, connection: Connection, protocol: str, stream: ByteStream) -> None:
        self._tell_connection(connection)
        with self._service.tally.serving(connection.peer, stream) as counted:
            if protocol == JOB_PROTOCOL:
                await self._service.serve(connection, counted)
                return
            with anyio.fail_after(INFO_SECONDS):
                await send_only(counted, sign(self.record(), self._signer))
            self._log.event(Event.IDENTIFIED, peer=connection.peer)

    async def _measure(
        self, network: AsyncExitStack, service: JobService, engines: Mapping[str, Engine]
    ) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What serves the metrics; nothing where they are off, and then their library is not imported either."""
        if self._settings.metrics is None:
            return []
        from plasm.node.metrics import Metrics
        from plasm.ops.metrics_page import CONTENT_TYPE, MetricsPage

        page = MetricsPage(self._settings.metrics, Metrics(service, engines, self._extensions).page, CONTENT_TYPE)
        listener, url = await page.listen()
        network.push_async_callback(listener.aclose)
        self._log.event(Event.METRICS, address=url)
        return [partial(page.serve, listener)]

    def _start_engines(self, resources: ExitStack) -> dict[str, Engine]:
        """A pool of workers for each runtime that is offered."""
        settings, engines = self._settings, {}
        names = settings.runtimes or (self._host.select(PluginKind.RUNTIME, self._config.runtime).name,)
        for name in names:
            cache = ArtifactCache(self._config.cache_dir / "modules" / name)
            executor = Executor(name, cache, workers=settings.workers, waiting=settings.waiting)
            resources.callback(executor.close)
            engines[name] = Engine(executor.describe(), executor)
        return engines

    async def _advertise(self, network: AsyncExitStack, transport: Transport) -> list[Discovery]:
        """Make this node known by every discovery, and return those that work; one that fails is told and takes
        nothing else down."""
        known, working = PeerRecord(self.peer, self._addresses), []
        for name in self._settings.discoveries:
            discovery: Discovery = self._host.discovery(name, self.peer, transport)
            try:
                await network.enter_async_context(discovery)
                await discovery.advertise(known, self.record().keys())
            except PlasmError as error:
                self._log.event(Event.DISCOVERY_FAILED, discovery=name, code=error.code, detail=error)
            else:
                working.append(discovery)
                self._log.event(Event.ADVERTISED, discovery=name)
        return working
