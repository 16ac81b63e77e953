"""A node at home, behind a router that masquerades, and one that everybody can dial.

    unshare -Urn python behind_nat.py

This namespace is the internet, with the public node in it; it makes others for the router and the home.  Prints as
JSON what each node finds and whom it can dial.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import anyio
from anyio import to_thread

# Run as a script, it is not where the tests' own modules are looked for.
sys.path.insert(0, str(Path(__file__).parent.parent))

from discovery_dht.nodes import Node, new_transport, node

from plasm.contracts import PeerRecord
from plasm.errors import PeerUnreachable

PUBLIC, HOME = "/ip4/11.0.0.1/tcp/4001", "/ip4/192.168.1.2/tcp/4001"
OUTER, INNER = "11.0.1.2", "192.168.1.1"
PATIENCE_S = 60

Namespace = Callable[..., list[str]]


def here(*command: str) -> list[str]:
    return list(command)


def another() -> tuple[Namespace, subprocess.Popen[bytes]]:
    """A namespace, and the process that holds it."""
    holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
    mine = Path("/proc/self/ns/net").readlink()
    while Path(f"/proc/{holder.pid}/ns/net").readlink() == mine:
        pass
    return (lambda *command: ["nsenter", "--net", f"--target={holder.pid}", *command]), holder


def do(where: Namespace, command: str) -> None:
    subprocess.run(where(*command.split()), check=True)


def cable(one: Namespace, device: str, address: str, other: Namespace, end: str, far: str, holder: int) -> None:
    do(one, f"ip link add {device} type veth peer name {end} netns {holder}")
    for where, name, own in ((one, device, address), (other, end, far)):
        do(where, f"ip address add {own} dev {name}")
        do(where, f"ip link set {name} up")


def masquerade(router: Namespace) -> None:
    """Let everything out in the router's own name, and in what belongs to it."""
    subprocess.run(router("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"), check=True)
    for rule in (
        "add table ip home",
        "add chain ip home out { type nat hook postrouting priority 100 ; }",
        "add rule ip home out oifname outside masquerade",
        "add chain ip home through { type filter hook forward priority 0 ; policy drop ; }",
        "add rule ip home through ct state established,related accept",
        "add rule ip home through oifname outside accept",
    ):
        subprocess.run(router("nft", rule), check=True)


async def dials(transport: object, record: PeerRecord) -> bool:
    try:
        await transport.dial(record)  # type: ignore[attr-defined]
    except PeerUnreachable:
        return False
    return True


async def at_home(bootstrap: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with node(Path(mkdtemp()) / "peers", [bootstrap], listens=[HOME]) as mine:
            await mine.advertise()
            while (verdict := mine.discovery._membership._verdict.value) == "unknown":
                await anyio.lowlevel.checkpoint()
            (found,) = await found_by(mine)
            dialled = await dials(mine.discovery._transport, found)
            said = {"verdict": verdict, "server": mine.discovery._dht.is_server, "dialled": dialled}
            print(json.dumps({**said, "found": found.addresses[0].partition("/p2p/")[0]}), flush=True)  # noqa: T201
            await to_thread.run_sync(sys.stdin.readline)


async def found_by(who: Node) -> list[PeerRecord]:
    while True:
        if found := await who.finds():
            return found


async def in_public(home: Namespace) -> dict[str, object]:
    with anyio.fail_after(PATIENCE_S):
        async with node(Path(mkdtemp()) / "peers", listens=[PUBLIC]) as public:
            await public.advertise()
            command = home(sys.executable, __file__, public.record.addresses[0])
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
                assert other.stdin
                assert other.stdout
                try:
                    said = json.loads(await to_thread.run_sync(other.stdout.readline))
                    (found,) = await found_by(public)
                    stranger, _ = new_transport()
                    async with stranger:
                        result = {
                            "found": found.addresses[0].partition("/p2p/")[0],
                            "by the node": await dials(public.discovery._transport, found),
                            "by a stranger": await dials(stranger, found),
                        }
                    other.stdin.close()
                    await to_thread.run_sync(other.wait)
                finally:
                    other.kill()
            return {"home": said, "public": result}


def main() -> None:
    do(here, "ip link set lo up")
    do(here, "ip address add 11.0.0.1/32 dev lo")
    router, router_holder = another()
    home, home_holder = another()
    try:
        cable(here, "street", "11.0.1.1/24", router, "outside", f"{OUTER}/24", router_holder.pid)
        cable(router, "inside", f"{INNER}/24", home, "router", "192.168.1.2/24", home_holder.pid)
        do(home, "ip link set lo up")
        do(router, "ip route add default via 11.0.1.1")
        do(home, f"ip route add default via {INNER}")
        masquerade(router)
        print(json.dumps(anyio.run(in_public, home, backend="trio")))  # noqa: T201
    finally:
        router_holder.kill()
        home_holder.kill()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        anyio.run(at_home, sys.argv[1], backend="trio")
    else:
        main()
