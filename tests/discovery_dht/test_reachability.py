"""Whether a node can be dialled: what others tell it, and what it makes of that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("plasm_discovery_dht")
pytest.importorskip("plasm_transport_quic")

from discovery_dht.nodes import Node, in_trio, node
from discovery_mdns.namespaces import apart
from libp2p.host.autonat.pb.autonat_pb2 import Message
from multiaddr import Multiaddr

from plasm_discovery_dht._reachability import Reachability, Verdict, _tcp

pytestmark = pytest.mark.once

HERE = Path(__file__).parent

# Connections on this machine come from 127.0.0.1, so a node that listens elsewhere is dialled from another address
# than it has, as one behind a router is.
ELSEWHERE = ("/ip4/127.0.0.5/tcp/0",)


async def until(node: Node, verdict: Verdict) -> None:
    while node.discovery._membership._verdict is not verdict:
        await anyio.lowlevel.checkpoint()


async def asked(who: Node, server: Node, *addresses: str) -> int:
    """What ``server`` says when it is asked whether ``who`` can be dialled at ``addresses``."""
    client = Reachability(who.discovery._dht.host)
    raw = [Multiaddr(address).to_bytes() for address in addresses]
    status, _ = await client.query_server(server.discovery._dht.local_peer_id, raw)
    return status


def test_a_node_that_can_be_dialled_is_a_server(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as first, node(tmp_path / "b", first.record.addresses) as other:
            await other.advertise()
            await until(other, Verdict.PUBLIC)
            assert other.discovery._dht.is_server
            await first.finds(other)

    in_trio(look)


def test_a_web_server_is_no_way_to_a_peer() -> None:
    addresses = [Multiaddr("/ip4/127.0.0.1/tcp/8380/http"), Multiaddr("/ip4/127.0.0.1/tcp/4001")]
    assert [port for _, port in _tcp(addresses)] == [4001]


def test_a_node_that_cannot_be_dialled_is_a_client_and_still_found(tmp_path: Path) -> None:
    async def look() -> None:
        async with (
            node(tmp_path / "a") as first,
            node(tmp_path / "b", first.record.addresses, listens=ELSEWHERE) as other,
        ):
            await other.advertise()
            await until(other, Verdict.PRIVATE)
            assert not other.discovery._dht.is_server
            await first.finds(other)
            async with node(tmp_path / "c", first.record.addresses, listens=()) as asks:
                assert await asks.finds(other) == [other.record]

    in_trio(look)


def test_an_address_is_tried_anew_though_there_is_a_connection(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as first, node(tmp_path / "b", first.record.addresses) as other:
            assert await asked(other, first, other.record.addresses[0]) == Message.OK
            assert await asked(other, first, "/ip4/127.0.0.1/tcp/1") == Message.E_DIAL_ERROR
            assert await asked(other, first, "/ip4/127.0.0.1/udp/4001/quic-v1") == Message.E_DIAL_ERROR
            assert await asked(other, first) == Message.E_DIAL_REFUSED

    in_trio(look)


def test_nobody_is_dialled_but_who_asks(tmp_path: Path) -> None:
    async def look() -> None:
        async with node(tmp_path / "a") as first, node(tmp_path / "b", first.record.addresses) as other:
            with_another_listening = await anyio.create_tcp_listener(local_host="127.0.0.5")
            async with with_another_listening as listener:
                port = listener.extra(anyio.abc.SocketAttribute.local_port)
                assert await asked(other, first, f"/ip4/127.0.0.5/tcp/{port}") == Message.E_DIAL_REFUSED

    in_trio(look)


def test_addresses_can_be_announced(tmp_path: Path) -> None:
    outside = Multiaddr("/ip4/192.0.2.7/tcp/4001")

    async def look() -> None:
        async with (
            node(tmp_path / "a") as first,
            node(tmp_path / "b", first.record.addresses, listens=()) as asks,
            node(tmp_path / "c", first.record.addresses, announce=[outside]) as other,
        ):
            await other.advertise()
            (found,) = await asks.finds(other)
            assert found.addresses == (f"{outside}/p2p/{other.peer}", *other.record.addresses)

    in_trio(look)


def run_apart(script: str, *tools: str) -> Any:
    """What a script of this folder prints as JSON, in a network of its own."""
    command = [*apart(*tools), sys.executable, str(HERE / script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_router_opens_ports_and_closes_them() -> None:
    assert run_apart("router.py") == {
        "found": ["/ip4/11.0.0.1/tcp/4001", "/ip4/11.0.0.1/udp/4001/quic-v1"],
        "opened": {"4001 TCP": "192.168.1.2:4001", "4001 UDP": "192.168.1.2:4001"},
        "left": 0,
    }


def test_behind_nat_a_node_finds_and_is_found_but_strangers_cannot_dial_it() -> None:
    result = run_apart("behind_nat.py", "nft", "nsenter")
    assert result["home"] == {"verdict": "private", "server": False, "found": "/ip4/11.0.0.1/tcp/4001", "dialled": True}
    assert result["public"] == {"found": "/ip4/192.168.1.2/tcp/4001", "by the node": True, "by a stranger": False}
