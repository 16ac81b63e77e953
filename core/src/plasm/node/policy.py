"""What an operator lets peers do, and the admission of jobs by it.  Pure: the caller brings the time.

Everything is decided before a byte of a module is read.  What is remembered of peers is bounded, for peer ids cost
nothing to make.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from attrs import define, field, frozen

from plasm.mesh.messages import Reject, RejectReason
from plasm.model import MAX_MODULE_BYTES, Limits, PeerId

MAX_REMEMBERED_PEERS: Final = 10_000
VIOLATIONS_BEFORE_BAN: Final = 5
BAN_SECONDS: Final = 600.0
_MINUTE: Final = 60.0


def _ids(peers: object) -> frozenset[str]:
    return frozenset(map(str, peers))  # type: ignore[call-overload]


@frozen
class Policy:
    """``allow`` and ``deny`` are peer ids; an empty ``allow`` lets everybody in.  ``limits`` are the most that a job
    may ask for, ``stdin_bytes`` and ``module_bytes`` the most that it may bring."""

    allow: frozenset[str] = field(default=frozenset(), converter=_ids)
    deny: frozenset[str] = field(default=frozenset(), converter=_ids)
    jobs_per_peer: int = 8
    offers_per_minute: int = 6000
    limits: Limits = field(factory=lambda: Limits(wall_time=3_600_000, output=2**30))
    module_bytes: int = MAX_MODULE_BYTES
    stdin_bytes: int = 2**30


@define
class _Standing:
    """What is remembered of a peer."""

    running: int = 0
    tokens: float = 0.0
    refreshed: float = 0.0
    violations: int = 0
    banned_until: float = 0.0


class Admission:
    """Who may hand over a job now.  ``now`` is a monotonic time in seconds throughout."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._peers: OrderedDict[str, _Standing] = OrderedDict()

    def use(self, policy: Policy) -> None:
        """Decide by ``policy`` from now on; what has begun goes on, and what is remembered of peers stays."""
        self._policy = policy

    def begin(self, peer: PeerId, now: float) -> Reject | None:
        """Count a stream of ``peer``'s that begins, to be given back with :meth:`end`; or why it may not begin."""
        policy, name = self._policy, str(peer)
        if name in policy.deny or (policy.allow and name not in policy.allow):
            return Reject(RejectReason.NOT_AUTHORISED, "this node does not take your jobs")
        standing = self._standing(name, now)
        if now < standing.banned_until:
            return Reject(RejectReason.NOT_AUTHORISED, "you broke the protocol too often; try again later")
        if standing.running >= policy.jobs_per_peer:
            return Reject(RejectReason.QUEUE_FULL, f"a peer may have {policy.jobs_per_peer} jobs here at once")
        rate = policy.offers_per_minute / _MINUTE
        standing.tokens = min(policy.offers_per_minute, standing.tokens + (now - standing.refreshed) * rate)
        standing.refreshed = now
        if standing.tokens < 1:
            return Reject(RejectReason.QUEUE_FULL, f"a peer may offer {policy.offers_per_minute} jobs a minute")
        standing.tokens -= 1
        standing.running += 1
        return None

    def end(self, peer: PeerId) -> None:
        """A stream that :meth:`begin` counted has ended."""
        standing = self._peers.get(str(peer))
        if standing is not None:
            standing.running -= 1

    def violation(self, peer: PeerId, now: float) -> bool:
        """``peer`` broke the protocol; returns whether it is banned for that, for :data:`BAN_SECONDS`."""
        standing = self._standing(str(peer), now)
        standing.violations += 1
        if standing.violations >= VIOLATIONS_BEFORE_BAN:
            standing.violations = 0
            standing.banned_until = now + BAN_SECONDS
            return True
        return False

    def _standing(self, name: str, now: float) -> _Standing:
        standing = self._peers.get(name)
        if standing is None:
            standing = self._peers[name] = _Standing(tokens=self._policy.offers_per_minute, refreshed=now)
            self._forget(now)
        self._peers.move_to_end(name)
        return standing

    def _forget(self, now: float) -> None:
        """Make room: of those that run nothing and are not banned, the one seen longest ago goes."""
        if len(self._peers) <= MAX_REMEMBERED_PEERS:
            return
        for name, standing in self._peers.items():
            if not standing.running and standing.banned_until <= now:
                del self._peers[name]
                return


def refusal(policy: Policy, limits: Limits, module_size: int) -> Reject | None:
    """Why a job of this size, on these limits, is not taken, or ``None``."""
    for name in ("memory", "wall_time", "output", "files"):
        asked, most = getattr(limits, name), getattr(policy.limits, name)
        if asked > most:
            return Reject(RejectReason.INSUFFICIENT_RESOURCES, f"{name} = {asked} asked for, {most} at most")
    if module_size > policy.module_bytes:
        return Reject(
            RejectReason.INSUFFICIENT_RESOURCES, f"a module of {module_size} bytes, {policy.module_bytes} at most"
        )
    return None
