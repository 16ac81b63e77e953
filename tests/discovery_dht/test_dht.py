"""Nodes of a DHT in one process: they find each other, whoever goes, and come back."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from anyio.abc import TaskStatus

pytest.importorskip("plasm_discovery_dht")
pytest.importorskip("plasm_transport_quic")

from discovery_dht.nodes import CAPABILITY, LOOPBACK, Node, in_trio, node, nothing, several

from plasm_transport_quic.transport import Libp2pTransport

pytestmark = pytest.mark.once

OTHER = "/plasm/capability/aarch64/wasmer"


def test_each_capability_has_its_providers(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as first:
            bootstrap = first.record.addresses
            async with node(tmp_path / "b", bootstrap) as one, node(tmp_path / "c", bootstrap) as other:
                await one.advertise(CAPABILITY)
                await other.advertise(OTHER, CAPABILITY)
                await first.finds(one, other)
                assert {record.peer for record in await one.finds(other, capability=OTHER)} == {other.peer}
                assert [record async for record in first.discovery.find("/plasm/capability/no/such")] == []

    in_trio(look)


def test_a_node_that_provides_finds_the_others_that_do(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as first, node(tmp_path / "b", first.record.addresses) as other:
            await first.advertise()
            await other.advertise()
            assert await first.finds(other) == [other.record]
            assert await other.finds(first) == [first.record]

    in_trio(look)


def test_what_is_no_longer_advertised_is_withdrawn_here(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as first, node(tmp_path / "b", first.record.addresses, listens=()) as asks:
            await first.advertise(CAPABILITY, OTHER)
            await asks.finds(first, capability=OTHER)
            await first.advertise(CAPABILITY)
            assert [record async for record in asks.discovery.find(OTHER)] == []
            assert await asks.finds(first) == [first.record]

    in_trio(look)


def test_a_client_asks_and_is_asked_by_nobody(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as first, node(tmp_path / "b", first.record.addresses) as other:
            await other.advertise()
            async with node(tmp_path / "c", first.record.addresses, listens=()) as client:
                await client.finds(other)
                await client.finds(first, other, capability=None)
                assert client.knows(first)
                assert client.knows(other)
                assert not first.knows(client)
                assert not other.knows(client)
                found = [record.peer async for record in other.discovery.find(None)]
                assert found == [first.peer]

    in_trio(look)


def test_a_client_that_can_be_dialled_is_a_client_all_the_same(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as first, node(tmp_path / "b", listens=()) as client:
            await first.advertise()
            transport = client.discovery._transport
            assert isinstance(transport, Libp2pTransport)
            await transport.listen(LOOPBACK, nothing, ["/plasm/nothing/1"])
            await transport.dial(first.record)
            store = first.discovery._dht.host.get_peerstore()
            who = client.discovery._dht.local_peer_id
            while who not in store.peers_with_addrs():
                await anyio.lowlevel.checkpoint()
            await client.finds(first)
            assert client.knows(first)
            assert not first.knows(client)

    in_trio(look)


def test_the_dht_outlives_half_of_its_nodes(tmp_path: Path) -> None:
    async def look() -> None:
        leave = anyio.Event()

        async def some_that_leave(*, task_status: TaskStatus[Sequence[Node]]) -> None:
            async with several(5, tmp_path / "leaving") as nodes:
                task_status.started(nodes)
                await leave.wait()
            left.set()

        left = anyio.Event()
        async with anyio.create_task_group() as tasks:
            leaving: Sequence[Node] = await tasks.start(some_that_leave)
            async with several(5, tmp_path / "staying", leaving[0].record.addresses) as staying:
                provider = staying[0]
                await provider.advertise()
                for each in (*leaving, *staying[1:]):
                    await each.finds(provider)
                leave.set()
                await left.wait()
                assert await staying[-1].finds(provider) == [provider.record]
                async with node(tmp_path / "new", staying[1].record.addresses) as late:
                    assert await late.finds(provider) == [provider.record]

    in_trio(look)


def test_a_node_comes_back_by_the_peers_that_it_remembers(tmp_path: Path) -> None:
    async def look() -> None:
        memory = tmp_path / "state" / "dht" / "peers.json"
        async with node(tmp_path / "a") as first:
            await first.advertise()
            async with node(tmp_path / "b", first.record.addresses) as gone, node(memory, gone.record.addresses) as one:
                await one.finds(first)
                assert one.knows(first)
            remembered = json.loads(memory.read_text())["peers"]
            assert remembered[str(first.peer)]
            assert memory.stat().st_mode & 0o777 == 0o600
            async with node(memory) as again:
                assert await again.finds(first) == [first.record]

    in_trio(look)


def test_a_node_tries_again_until_it_has_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plasm_discovery_dht._membership._FIRST_RETRY_SECONDS", 0.01)

    async def look() -> None:
        seed = os.urandom(32)
        async with node(tmp_path / "a", seed=seed) as first:
            address = first.record.addresses[0]
        async with node(tmp_path / "b", [address]) as early:
            assert early.size == 0
            async with node(tmp_path / "a", listens=[address.partition("/p2p/")[0]], seed=seed) as late:
                await early.advertise()
                await late.finds(early)

    in_trio(look)


def test_a_lone_node_finds_nobody_and_says_so_at_once(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as lone:
            await lone.advertise()
            assert [record async for record in lone.discovery.find(CAPABILITY)] == []
            assert [record async for record in lone.discovery.find(None)] == []

    in_trio(look)


def test_searches_end_with_the_discovery(tmp_path: Path) -> None:
    async def look() -> None:
        async with anyio.create_task_group() as tasks, node(tmp_path / "a") as one:

            async def search() -> None:
                async for _ in one.discovery.find(CAPABILITY):
                    pass

            tasks.start_soon(search)
            await anyio.lowlevel.checkpoint()

    in_trio(look)
