"""A node's policy from its configuration, when it starts and whenever it is told to read that again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from plasm.config import NodeConfig, read
from plasm.model import Limits
from plasm.node.policy import Policy


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
