"""Discovery over the DHT fulfils the contract; nothing leaves the loopback interface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from plasm.model import PeerId
from plasm.testing import DiscoveryContract
from plasm.testing.discovery import Member

if find_spec("plasm_discovery_dht") is None or find_spec("plasm_transport_quic") is None:
    pytest.skip("plasm-plugin-discovery-dht or its transport is not installed", allow_module_level=True)

from discovery_dht.nodes import members, send_bad_requests


class TestDht(DiscoveryContract):
    says_good_bye = False

    @asynccontextmanager
    async def neighbourhood(self, count: int) -> AsyncIterator[Sequence[Member]]:
        with TemporaryDirectory() as folder:
            async with members(count, Path(folder)) as made:
                yield made

    async def disturb(self, member: Member) -> Collection[PeerId]:
        return [await send_bad_requests(member.record)]
