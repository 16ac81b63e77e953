"""``poll_oneoff`` read and answered for its most common use: to sleep for a while.

The layouts are those of preview 1's ``subscription`` and ``event``.  Every other use, and every address that
does not fit, is left to the engine.
"""

from __future__ import annotations

import struct
from ctypes import Array, c_uint8
from typing import NamedTuple

_CLOCK, _RELATIVE = 0, 0
_REALTIME, _MONOTONIC = 0, 1
_SUBSCRIPTION = struct.Struct("<QBxxxxxxxIxxxxQQHxxxxxx")
_EVENT = struct.Struct("<QHBxxxxxQHxxxxxx")
_COUNT = struct.Struct("<I")


class Poll(NamedTuple):
    """The arguments of ``poll_oneoff``: three addresses and a number."""

    subscriptions: int
    events: int
    number: int
    written: int


class Nap(NamedTuple):
    """A single wait for a time that starts now."""

    tag: int
    nanoseconds: int


def read_nap(memory: Array[c_uint8], poll: Poll) -> Nap | None:
    """What to wait for, where that is all the guest wants."""
    end = max(poll.events + _EVENT.size, poll.written + _COUNT.size, poll.subscriptions + _SUBSCRIPTION.size)
    if poll.number != 1 or end > len(memory):
        return None
    tag, kind, clock, timeout, _, flags = _SUBSCRIPTION.unpack_from(memory, poll.subscriptions)
    if kind != _CLOCK or clock not in {_REALTIME, _MONOTONIC} or flags != _RELATIVE:
        return None
    return Nap(tag, timeout)


def report(memory: Array[c_uint8], poll: Poll, nap: Nap) -> None:
    """Tell the guest that the time is over."""
    _EVENT.pack_into(memory, poll.events, nap.tag, 0, _CLOCK, 0, 0)
    _COUNT.pack_into(memory, poll.written, 1)
