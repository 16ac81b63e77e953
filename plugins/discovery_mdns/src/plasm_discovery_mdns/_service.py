"""The services that are spoken of in multicast DNS: who is found under which name, by which keys and addresses.  Pure.

Libp2p's peers are under ``_p2p._udp``, as its specification says.  Providers of what machines boot are under a service
of their own, ``_phase-boot._tcp``, so that a browser of services shows them with host and port; their addresses are
those for HTTP, and a string in their TXT record says what they have: ``systems=stable/x86_64,testing/x86_64``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

_HTTP: Final = re.compile(r"/ip[46]/[^/]+/tcp/[0-9]+/http(?:/p2p/[^/]+)?", re.ASCII)
_ANY: Final = re.compile(r".*")
_NONE: Final = re.compile(r"(?P<system>(?!))")
_SYSTEM: Final = re.compile(r"/phase/(?P<system>[a-z0-9_.-]{1,64}/[a-z0-9_.-]{1,64})/manifest", re.ASCII)
_PROVIDED: Final = "/phase/"


@frozen
class Service:
    """A service by its ``name`` in DNS, at addresses of one form.

    ``keys`` is the form of the capability keys that its records speak of, with what they say of it as ``system``.
    """

    name: str
    addresses: re.Pattern[str]
    keys: re.Pattern[str]

    def carries(self, address: str) -> bool:
        """Whether this service may be found at ``address``."""
        return self.addresses.fullmatch(address) is not None

    def system_of(self, capability: str | None) -> str | None:
        """What a record says for ``capability``, as in ``stable/x86_64``; ``None`` where records say nothing of it."""
        match = self.keys.fullmatch(capability or "")
        return match["system"] if match else None


PEERS: Final = Service("_p2p._udp.local.", addresses=_ANY, keys=_NONE)
PROVIDERS: Final = Service("_phase-boot._tcp.local.", addresses=_HTTP, keys=_SYSTEM)
SERVICES: Final = (PEERS, PROVIDERS)


def service_of(capability: str | None) -> Service:
    """Where those who have ``capability`` are found."""
    return PROVIDERS if capability is not None and capability.startswith(_PROVIDED) else PEERS


def services_of(capabilities: Iterable[str]) -> set[Service]:
    """Where one is to be found who has ``capabilities``; a peer is one without any, too."""
    return {service_of(capability) for capability in capabilities} or {PEERS}
