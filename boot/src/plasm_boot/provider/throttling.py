"""Who may ask: so many connections in all and of one client, and so many requests of one client in a minute.  Pure.

A connection carries one request at a time, so that the connections of a client bound what is sent to it at once.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

MAX_REMEMBERED: Final = 4096
_IPV6_SITE: Final = 64
_MINUTE_S: Final = 60.0


def client_of(host: str) -> str:
    """Who is at an IP address: in IPv6, everybody in the same /64, for that is what one machine gets."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))


class ConnectionSlots:
    """Room for connections, ``in_all`` and ``per_client``."""

    def __init__(self, in_all: int, per_client: int) -> None:
        self._in_all = in_all
        self._per_client = per_client
        self._taken: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        """Whether nobody else can come."""
        return self._taken.total() >= self._in_all

    def crowded_by(self, client: str) -> bool:
        """Whether ``client`` has all the slots that it may have."""
        return self._taken[client] >= self._per_client

    def enter(self, client: str) -> None:
        """Take a place."""
        self._taken[client] += 1

    def leave(self, client: str) -> None:
        """Give it back."""
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]


class TokenBuckets:
    """A bucket for each client that holds ``per_minute`` requests and fills again at that rate; ``clock`` in seconds.

    A client that was forgotten because of many others begins with a full one.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._full = float(per_minute)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Take one request out; in how many seconds to come again where there is none, else 0."""
        now = self._clock()
        left, then = self._left.pop(client, (self._full, now))
        rate = self._full / _MINUTE_S
        left = min(self._full, left + (now - then) * rate)
        wait = 0.0 if left >= 1 else (1 - left) / rate
        self._left[client] = (left if wait else left - 1, now)
        if len(self._left) > MAX_REMEMBERED:
            self._left.popitem(last=False)
        return wait
