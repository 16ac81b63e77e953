"""The records of ``poll_oneoff`` in a guest's memory, as WASI preview 1 lays them out."""

from __future__ import annotations

import struct
from typing import NamedTuple

SUBSCRIPTION_BYTES, EVENT_BYTES = 48, 32
CLOCK, FD_READ, FD_WRITE = range(3)
ABSOLUTE = 1
"""The only flag of a clock's subscription: its timeout is a moment, not a duration."""

# Each kind of subscription has its own fields from byte 16 on; a descriptor's is where a clock's number is.
_SUBSCRIPTION = struct.Struct("<Q B7x I4x Q Q H6x")
_EVENT = struct.Struct("<Q H B5x Q H6x")


class Subscription(NamedTuple):
    """What a guest waits for.  ``subject`` is a clock's number or a descriptor."""

    userdata: int
    kind: int
    subject: int
    timeout: int
    precision: int
    flags: int

    def event(self, error: int = 0, readable: int = 0) -> bytes:
        """The event that says it has come to pass."""
        return _EVENT.pack(self.userdata, error, self.kind, readable, 0)


def subscriptions(records: bytes) -> list[Subscription]:
    """The subscriptions in so many bytes of a guest's memory."""
    return [Subscription(*fields) for fields in _SUBSCRIPTION.iter_unpack(records)]
