"""Name servers on a machine that names none: the local one, as for the C library (resolv.conf(5)).

libp2p makes a resolver when it is imported, and dnspython's refuses such a machine: no node would start there, neither
on a network without names nor on none.
"""

from __future__ import annotations

from typing import Any, Final

import dns.resolver

_LOCAL: Final = "127.0.0.1"


def have_a_name_server() -> None:
    """Have resolvers ask this machine itself where it names no other; to be called before libp2p is imported."""
    try:
        dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        dns.resolver.BaseResolver.read_resolv_conf = _ask_here  # type: ignore[assignment, method-assign]


def _ask_here(self: dns.resolver.BaseResolver, _: Any) -> None:
    self.nameservers = [_LOCAL]
