"""Discovery over multicast DNS fulfils the contract; nothing leaves the loopback interface."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec

import pytest
from anyio import to_thread

from plasm.contracts import PeerRecord
from plasm.model import PeerId
from plasm.testing import DiscoveryContract
from plasm.testing.discovery import Member

if find_spec("plasm_discovery_mdns") is None:
    pytest.skip("plasm-plugin-discovery-mdns is not installed", allow_module_level=True)

from discovery_mdns import packets

from plasm_discovery_mdns._discovery import MdnsDiscovery

pytestmark = pytest.mark.once


class TestMdns(DiscoveryContract):
    @asynccontextmanager
    async def neighbourhood(self, count: int) -> AsyncIterator[Sequence[Member]]:
        members = []
        for port in range(4001, 4001 + count):
            peer = PeerId(os.urandom(32))
            addresses = f"/ip4/127.0.0.1/udp/{port}/quic-v1/p2p/{peer}", f"/ip6/::1/tcp/{port}/p2p/{peer}"
            members.append(Member(MdnsDiscovery(peer, ["127.0.0.1"]), PeerRecord(peer, addresses)))
        yield members

    async def disturb(self, member: Member) -> Collection[PeerId]:
        nobody = PeerId(os.urandom(32))
        await to_thread.run_sync(packets.send, *packets.garbage(str(nobody)))
        return [nobody]
