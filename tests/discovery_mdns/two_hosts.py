"""Two hosts on one cable: run in a network namespace of its own, it makes another for the other host.

    unshare -Urn python two_hosts.py ip4

Prints what came of it as JSON: what each of the two found, and what the first still finds when the second has left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import anyio
from anyio import to_thread

from plasm.contracts import PeerRecord
from plasm.model import PeerId
from plasm_discovery_mdns._discovery import MdnsDiscovery
from plasm_discovery_mdns._service import PEERS

ADDRESSES = {"ip4": ("192.0.2.1", "192.0.2.2"), "ip6": ("2001:db8::1", "2001:db8::2")}
PATIENCE_S = 30


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def plug_in(device: str, family: str, address: str) -> None:
    """Set ``device`` up, with that one address."""
    # No link-local address of the kernel's: it cannot be used before the kernel has asked about it for a second.
    ip("link", "set", device, "addrgenmode", "none")
    ip("address", "add", f"{address}/64" if family == "ip6" else f"{address}/24", "dev", device, *_at_once(family))
    ip("link", "set", device, "up")
    ip(*_family(family), "route", "add", "ff02::/16" if family == "ip6" else "224.0.0.0/4", "dev", device)


def _at_once(family: str) -> Sequence[str]:
    return ["nodad"] if family == "ip6" else []


def _family(family: str) -> Sequence[str]:
    return ["-6"] if family == "ip6" else []


def record_at(family: str, host: int) -> PeerRecord:
    peer = PeerId(bytes([host]) * 32)
    return PeerRecord(peer, [f"/{family}/{ADDRESSES[family][host]}/udp/4001/quic-v1/p2p/{peer}"])


async def find(discovery: MdnsDiscovery) -> list[str]:
    async for record in discovery.find(None):
        return [str(record.peer), *record.addresses]
    return []


async def first_host(family: str, other: subprocess.Popen[str]) -> dict[str, object]:
    assert other.stdin
    assert other.stdout
    record = record_at(family, 0)
    async with MdnsDiscovery(record.peer) as discovery:
        await discovery.advertise(record, [])
        other.stdin.write("go\n")
        other.stdin.flush()
        began = time.perf_counter()
        first = await find(discovery)
        took = time.perf_counter() - began
        second = json.loads(await to_thread.run_sync(other.stdout.readline))
        other.stdin.close()
        assert await to_thread.run_sync(other.wait) == 0
        while True:
            changed = discovery._changed
            if not discovery._heard[PEERS].records():
                break
            await changed.wait()
        left = []
        with anyio.move_on_after(0):
            left = await find(discovery)
        return {"first": first, "second": second["found"], "left": left, "seconds": [took, second["seconds"]]}


async def second_host(family: str) -> None:
    record = record_at(family, 1)
    async with MdnsDiscovery(record.peer, ["cable"]) as discovery:
        began = time.perf_counter()
        found = await find(discovery)
        took = time.perf_counter() - began
        await discovery.advertise(record, [])
        print(json.dumps({"found": found, "seconds": took}), flush=True)  # noqa: T201
        await to_thread.run_sync(sys.stdin.readline)


def main(family: str, role: str = "first") -> None:
    if role == "second":
        print("here", flush=True)  # noqa: T201
        sys.stdin.readline()
        plug_in("cable", family, ADDRESSES[family][1])
        print("plugged in", flush=True)  # noqa: T201
        sys.stdin.readline()
        anyio.run(second_host, family, backend="trio")
        return
    command = ["unshare", "--net", sys.executable, __file__, family, "second"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as other:
        assert other.stdin
        assert other.stdout
        try:
            other.stdout.readline()
            ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(other.pid))
            plug_in("cable", family, ADDRESSES[family][0])
            other.stdin.write("plug in\n")
            other.stdout.readline()
            print(json.dumps(anyio.run(first_host, family, other, backend="trio")))  # noqa: T201
        finally:
            other.kill()


if __name__ == "__main__":
    os.environ.pop("PLASM_MDNS_INTERFACES", None)
    main(*sys.argv[1:])
