"""How a node is run, by its configuration: when it starts, and whenever it is told to read that again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from plasm.config import NodeConfig, read
from plasm.model import Limits
from plasm.node.policy import Policy
from plasm.node.retention import Retention


def _cores() -> int:
    return os.cpu_count() or 1


@frozen
class NodeOptions:
    """How a node is run.

    Plugins are given by their names; without, the configured ones are used.  ``listen`` are multiaddresses, without
    any the transport's usual ones.  ``workers`` jobs run at once, ``waiting`` more may wait.  ``metrics`` is where
    they are served, if they are; members of ``control_group`` may have jobs run over the control socket.
    """

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


def options_of(config: NodeConfig, discoveries: tuple[str, ...]) -> NodeOptions:
    """How ``config`` says that a node is run, found by ``discoveries``."""
    return NodeOptions(
        runtimes=config.node.runtimes,
        discoveries=discoveries,
        transport=config.transport,
        signer=config.signer,
        listen=config.node.listen,
        workers=config.node.workers or _cores(),
        waiting=config.node.queue,
        policy=policy_of(config),
        metrics=config.metrics.listen,
        control_group=config.control.group,
        retention=Retention(max_age_ms=config.store.keep_age, max_bytes=config.store.keep_size),
    )


def policy_of(config: NodeConfig) -> Policy:
    """What ``config`` lets peers do."""
    said = config.policy
    return Policy(
        allow=said.allow,
        deny=said.deny,
        jobs_per_peer=said.jobs_per_peer,
        offers_per_minute=said.offers_per_minute,
        limits=Limits(memory=said.memory, wall_time=said.wall_time, output=said.output, files=said.files),
        module_bytes=said.module_bytes,
        stdin_bytes=said.stdin_bytes,
    )


@frozen
class PolicyReload:
    """What the configuration says now.  ``ignored`` are keys that differ from what the node started with, and that it
    heeds when it starts only."""

    policy: Policy
    ignored: tuple[str, ...] = ()


class ReloadableConfig:
    """The configuration of a node, from files, ``environ`` and ``flags`` as :func:`plasm.config.read` takes them, which
    can be read again while the node runs.  ``at_start`` is what it started with.

    Raises:
        InvalidConfig, InvalidInput, UnreadableInput: as :func:`plasm.config.read`.
    """

    def __init__(self, environ: Mapping[str, str], flags: Mapping[str, tuple[str, Any]]) -> None:
        # A copy: a node changes its own environment, so that its workers read no file.
        self._environ = dict(environ)
        self._flags = flags
        self.at_start = read(self._environ, flags)

    def reload(self) -> PolicyReload:
        """Read all of it again.

        Raises:
            InvalidConfig, UnreadableInput: it has become wrong meanwhile.
        """
        now = read(self._environ, self._flags)
        before = self.at_start.values()
        differ = [key for key, value in now.values().items() if value != before[key]]
        return PolicyReload(policy_of(now.config), tuple(key for key in differ if not key.startswith("policy.")))
