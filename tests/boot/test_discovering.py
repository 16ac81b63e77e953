"""Finding providers: over multicast DNS between two networks of the test's own, over a DHT on loopback, and what
strangers may say."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from attrs import evolve

pytest.importorskip("plasm_boot")

from boot.provided import repository

from plasm.config import Config
from plasm.contracts import PeerRecord
from plasm.model import PeerId
from plasm.ops.log import Log
from plasm.plugins import PluginHost
from plasm_boot.fetching.discovering import MAX_PER_PEER, MAX_PROVIDERS, providers
from plasm_boot.provider.advertising import Advertisement, Advertising, advertising
from world import ROOT

pytestmark = pytest.mark.once

PEER = PeerId(bytes(range(32)))
KEY = "/phase/stable/x86_64/manifest"


class Discovery:
    """Finds what it was made with, for the one key."""

    def __init__(self, *records: PeerRecord) -> None:
        self._records = records
        self.ended = False

    async def find(self, capability: str | None) -> AsyncIterator[PeerRecord]:
        try:
            for record in self._records if capability == KEY else ():
                await anyio.lowlevel.checkpoint()
                yield record
        finally:
            self.ended = True


def found(*addresses: str) -> list[str]:
    async def search() -> list[str]:
        return [url async for url in providers(Discovery(PeerRecord(PEER, addresses)), "stable", "x86_64")]  # type: ignore[arg-type]

    return anyio.run(search, backend="trio")


def test_http_addresses_become_urls() -> None:
    assert found(
        "/ip4/192.0.2.7/tcp/8380/http",
        f"/ip4/192.0.2.8/tcp/80/http/p2p/{PEER}",
        "/ip6/2001:DB8:0::7/tcp/8380/http",
        "/ip4/192.0.2.7/tcp/8380/http",
        "/ip4/10.0.0.1/tcp/1/http",
        "/ip4/127.0.0.1/tcp/1/http",
    ) == [
        "http://192.0.2.7:8380",
        "http://192.0.2.8:80",
        "http://[2001:db8::7]:8380",
        "http://10.0.0.1:1",
        "http://127.0.0.1:1",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "", "/", "/ip4/192.0.2.7/tcp/8380", "/ip4/192.0.2.7/udp/8380/http", "/ip4/192.0.2.7/udp/4001/quic-v1",
        "/ip4/192.0.2.7/tcp/8380/https", "/ip4/192.0.2.7/tcp/8380/http/", "/ip4/192.0.2.7/tcp/8380/tls/http",
        "/ip4/192.0.2.7/tcp/0/http", "/ip4/192.0.2.7/tcp/65536/http", "/ip4/192.0.2.7/tcp/-1/http",
        "/ip4/192.0.2.256/tcp/80/http", "/ip4/0.0.0.0/tcp/80/http", "/ip4/224.0.0.1/tcp/80/http",
        "/ip4/255.255.255.255/tcp/80/http", "/ip6/::/tcp/80/http", "/ip6/ff02::1/tcp/80/http",
        "/ip6/fe80::1/tcp/80/http", "/ip6/fe80::1%lo/tcp/80/http", "/ip6/192.0.2.7/tcp/80/http",
        "/ip4/2001:db8::7/tcp/80/http", "/dns4/example.org/tcp/80/http", "/ip4/192.0.2.7/tcp/80/http/evil",
        "/ip4/192.0.2.7@evil/tcp/80/http", "/ip4/192.0.2.7/tcp/8\u0661/http", "/ip4/192.0.2.7/tcp/80/http\n",
        f"/ip4/192.0.2.7/tcp/4001/p2p/{PEER}/p2p-circuit/http", "/ip4/192.0.2.7/tcp/80/http/p2p/" + "1" * 300,
    ],
)  # fmt: skip
def test_other_addresses_do_not(address: str) -> None:
    assert found(address, "/ip4/192.0.2.7/tcp/8380/http") == ["http://192.0.2.7:8380"]


def test_a_stranger_names_only_so_many() -> None:
    assert len(found(*(f"/ip4/192.0.2.7/tcp/{port}/http" for port in range(1, 100)))) == MAX_PER_PEER


def test_there_are_only_so_many_and_the_search_is_ended() -> None:
    records = [PeerRecord(PEER, [f"/ip4/192.0.2.7/tcp/{port}/http"]) for port in range(1, 2 * MAX_PROVIDERS)]
    discovery = Discovery(*records)

    async def search() -> int:
        return len([url async for url in providers(discovery, "stable", "x86_64")])  # type: ignore[arg-type]

    assert anyio.run(search, backend="trio") == MAX_PROVIDERS
    assert discovery.ended


def test_a_provider_on_the_same_cable_is_found_by_multicast_dns(tmp_path: Path) -> None:
    pytest.importorskip("plasm_discovery_mdns")
    from discovery_mdns.namespaces import apart

    repo = repository(tmp_path / "repo")
    script = Path(__file__).with_name("provider_on_a_cable.py")
    command = [*apart(), sys.executable, str(script), str(repo.path)]
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **paths}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "url": "http://192.0.2.2:8380",
        "other": None,
        "fetched": '{"root": 1}',
        "status": 0,
    }


def test_a_provider_is_found_in_a_dht_of_four(tmp_path: Path) -> None:
    pytest.importorskip("plasm_discovery_dht")
    pytest.importorskip("plasm_transport_quic")
    from discovery_dht.nodes import LOOPBACK, several

    log = io.StringIO()

    async def look() -> None:
        with anyio.fail_after(60):
            async with several(3, tmp_path) as nodes:
                config = evolve(Config.from_environment(os.environ), bootstrap=nodes[0].record.addresses[:1])
                settings = Advertising(PluginHost(config), ("dht",), LOOPBACK[:1])
                async with advertising(settings, Log(log, readable=False)) as advertise:
                    await advertise(
                        Advertisement(("/ip4/192.0.2.7/tcp/8380/http", "/ip6/2001:db8::7/tcp/1/http"), (KEY,))
                    )
                    for node in nodes[1:]:
                        urls: list[str] = []
                        while not urls:
                            urls = [url async for url in providers(node.discovery, "stable", "x86_64")]
                        assert urls == ["http://192.0.2.7:8380", "http://[2001:db8::7]:1"]
                        assert [url async for url in providers(node.discovery, "stable", "aarch64")] == []
                    # The provider's peer can be dialled at its own address; those for HTTP are passed over.
                    (record,) = [record async for record in nodes[2].discovery.find(KEY)]
                    transport = nodes[2].discovery._transport
                    assert (await transport.dial(record)).peer == record.peer  # type: ignore[attr-defined]
                    await nodes[1].advertise(KEY)
                    assert [url async for url in providers(nodes[2].discovery, "stable", "x86_64")] == urls

    anyio.run(look, backend="trio")
    assert "discovery-failed" not in log.getvalue()


def test_a_discovery_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("plasm_discovery_mdns")
    monkeypatch.setenv("PLASM_MDNS_INTERFACES", "nosuch0")
    log = io.StringIO()

    async def advertise_nowhere() -> None:
        settings = Advertising(PluginHost.from_environment(), ("mdns",))
        async with advertising(settings, Log(log, readable=False)) as advertise:
            await advertise(Advertisement(("/ip4/192.0.2.7/tcp/8380/http",), (KEY,)))

    anyio.run(advertise_nowhere, backend="trio")
    event = json.loads(log.getvalue())
    assert (event["event"], event["discovery"], event["code"]) == ("discovery-failed", "mdns", "address-unavailable")
