"""How many files this process may have open: a provider takes more of them than most systems let it, unless asked."""

from __future__ import annotations

import resource
from typing import Final

_PER_CONNECTION: Final = 3
"""Its socket, the file that it is sent, and that file once more, for Starlette opens it anew."""
_FOR_THE_REST: Final = 256
"""Listeners, those who are turned away, discoveries, libraries."""


def make_room(connections: int) -> int:
    """Raise this process's limit to what so many ``connections`` need, as far as it may; how many have room then."""
    needed = connections * _PER_CONNECTION + _FOR_THE_REST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, (soft - _FOR_THE_REST) // _PER_CONNECTION))
