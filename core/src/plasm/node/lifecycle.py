"""The life of a node: which jobs it takes, and when it ends.  Pure; whoever must know of a change is told.

    state      event      next       what happens
    ---------  ---------  ---------  -------------------------------------------------------------
    STARTING   OPENED     READY      peers can come
    READY      RELOAD     RELOADING  the configuration is read again; jobs are taken meanwhile
    RELOADING  RELOADED   READY      what it says is in force, or it is wrong and the old one stays
    READY      DRAIN      DRAINING   the owner wants no more jobs
    DRAINING   UNDRAIN    READY      and wants them again
    DRAINING   IDLE       STOPPED    the last job has ended
    READY      STOP       STOPPING   SIGTERM: no more jobs, and no way back
    STOPPING   IDLE       STOPPED    the last job has ended

The table below also has the same events in the other states where they mean something.  An event that it does not
have changes nothing: a node that drains can be told to drain, and one that has stopped can be told anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Final


class NodeState(StrEnum):
    """How far a node's life has come."""

    STARTING = "starting"
    READY = "ready"
    RELOADING = "reloading"
    DRAINING = "draining"
    STOPPING = "stopping"
    STOPPED = "stopped"


class NodeEvent(StrEnum):
    """What makes a node go from one state to another."""

    OPENED = "opened"
    RELOAD = "reload"
    RELOADED = "reloaded"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    STOP = "stop"
    IDLE = "idle"


TRANSITIONS: Final[Mapping[tuple[NodeState, NodeEvent], NodeState]] = {
    (NodeState.STARTING, NodeEvent.OPENED): NodeState.READY,
    (NodeState.STARTING, NodeEvent.DRAIN): NodeState.DRAINING,
    (NodeState.STARTING, NodeEvent.STOP): NodeState.STOPPING,
    (NodeState.READY, NodeEvent.RELOAD): NodeState.RELOADING,
    (NodeState.READY, NodeEvent.DRAIN): NodeState.DRAINING,
    (NodeState.READY, NodeEvent.STOP): NodeState.STOPPING,
    (NodeState.RELOADING, NodeEvent.RELOADED): NodeState.READY,
    (NodeState.RELOADING, NodeEvent.DRAIN): NodeState.DRAINING,
    (NodeState.RELOADING, NodeEvent.STOP): NodeState.STOPPING,
    (NodeState.DRAINING, NodeEvent.UNDRAIN): NodeState.READY,
    (NodeState.DRAINING, NodeEvent.STOP): NodeState.STOPPING,
    (NodeState.DRAINING, NodeEvent.IDLE): NodeState.STOPPED,
    (NodeState.STOPPING, NodeEvent.IDLE): NodeState.STOPPED,
}
"""The state after an event, by the state before it and the event."""

_TAKES_NO_JOBS: Final = frozenset({NodeState.DRAINING, NodeState.STOPPING, NodeState.STOPPED})

Changed = Callable[[NodeState, NodeState], None]
"""Is told of a change, after it: the state before and the state now."""


class Lifecycle:
    """The life of one node.  ``running`` counts the jobs that it has accepted and that have not ended.

    Args:
        changed: called after each change of the state, with the former state and the new one.
    """

    def __init__(self, changed: Changed) -> None:
        self.state = NodeState.STARTING
        self.running = 0
        self._changed = changed
        self._draining_since: float | None = None

    @property
    def draining(self) -> bool:
        """Whether no more jobs are taken."""
        return self.state in _TAKES_NO_JOBS

    @property
    def draining_s(self) -> float | None:
        """For how many seconds no more jobs have been taken; ``None`` while they are."""
        return None if self._draining_since is None else time.monotonic() - self._draining_since

    def happen(self, event: NodeEvent) -> None:
        """Go to the state to which ``event`` leads, and on where that one does not last."""
        after = TRANSITIONS.get((self.state, event))
        if after is None:
            return
        before, self.state = self.state, after
        if not self.draining:
            self._draining_since = None
        elif self._draining_since is None:
            self._draining_since = time.monotonic()
        self._changed(before, after)
        if not self.running:
            self.happen(NodeEvent.IDLE)

    @contextmanager
    def job(self) -> Iterator[None]:
        """Count a job that was accepted, until it has ended."""
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            if not self.running:
                self.happen(NodeEvent.IDLE)
