"""A node's settings from its configuration.  Reading it again gives another :class:`Policy`, and nothing else here
changes while a node runs."""

from __future__ import annotations

from plasm.config import NodeConfig
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
