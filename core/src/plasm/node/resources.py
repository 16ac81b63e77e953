"""What a node works with as long as it runs: its key, its runtimes, its ledger, its modules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from attrs import define, field, frozen

from plasm.artifacts.cache import ArtifactCache
from plasm.artifacts.store import ModuleStore
from plasm.contracts import Signer
from plasm.execution.parent.executor import Executor
from plasm.execution.parent.replies import RuntimeDescription
from plasm.model import PeerId
from plasm.node.configuration import NodeOptions
from plasm.node.extensions import NodeExtensions
from plasm.node.ledger import Ledger
from plasm.node.modules import Modules
from plasm.node.store import Store
from plasm.ops.log import Log
from plasm.plugins import PluginHost, PluginKind

_LATE_JOBS: Final = 8
"""The mean is over about so many jobs."""


@define
class Load:
    """How busy the ``workers`` of a runtime are: ``jobs`` have one or wait for one, and took ``mean_s`` of late."""

    workers: int
    jobs: int = 0
    mean_s: float = 0.0

    def starts_in_ms(self) -> int:
        """In about how many milliseconds one more job would begin to run; 0 where a worker is free, or where none has
        ended from which to tell."""
        to_end_before = max(0, self.jobs - self.workers + 1)
        return math.ceil(1000 * to_end_before * self.mean_s / self.workers)

    def took(self, seconds: float) -> None:
        """Learn from a job that has ended."""
        self.mean_s += (seconds - self.mean_s) / _LATE_JOBS if self.mean_s else seconds


@frozen
class OfferedRuntime:
    """A runtime that this node offers, and its workers."""

    description: RuntimeDescription
    executor: Executor
    load: Load


@frozen
class Resources:
    """What a node works with as long as it runs; ``runtimes`` are by their names, the preferred one first."""

    signer: Signer
    runtimes: Mapping[str, OfferedRuntime]
    ledger: Ledger
    modules: Modules
    extensions: NodeExtensions
    log: Log
    peer: PeerId = field(init=False)

    @peer.default
    def _peer_of_signer(self) -> PeerId:
        return PeerId(self.signer.public_key)


def open_resources(
    stack: ExitStack, host: PluginHost, options: NodeOptions, signer: Signer, extensions: NodeExtensions, log: Log
) -> Resources:
    """Start the workers and open the store; ``stack`` closes them.  Waits for runtimes to load and for the disk.

    Raises:
        PlasmError: a runtime that cannot be loaded, a store that cannot be used.
    """
    config = host.config
    runtimes = _start_runtimes(stack, host, options)
    store = Store(config.state_dir / "node.sqlite")
    stack.callback(store.close)
    modules = Modules(ModuleStore(config.state_dir / "modules"))
    return Resources(signer, runtimes, Ledger(store), modules, extensions, log)


def _start_runtimes(stack: ExitStack, host: PluginHost, options: NodeOptions) -> dict[str, OfferedRuntime]:
    """A pool of workers for each runtime that is offered."""
    config = host.config
    names = options.runtimes or (host.select(PluginKind.RUNTIME, config.runtime).name,)
    runtimes = {}
    for name in names:
        cache = ArtifactCache(config.cache_dir / "modules" / name)
        executor = Executor(name, cache, workers=options.workers, waiting=options.waiting)
        stack.callback(executor.close)
        runtimes[name] = OfferedRuntime(executor.describe(), executor, Load(options.workers))
    return runtimes
