"""A provider and a machine that looks for it, on one cable: run in a network namespace of its own, it makes another
for the provider.

    unshare -Urn python provider_on_a_cable.py REPO

Prints what came of it as JSON: the URL that was found, what was fetched from it, and what is left when it has gone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request

import anyio
from anyio import to_thread
from discovery_mdns.two_hosts import ip, plug_in

from plasm.model import PeerId
from plasm_boot.fetching.discovering import providers
from plasm_discovery_mdns._discovery import MdnsDiscovery
from plasm_discovery_mdns._service import PROVIDERS

ADDRESSES = ("192.0.2.1", "192.0.2.2")


async def first_url(discovery: MdnsDiscovery, arch: str) -> str | None:
    async for url in providers(discovery, "stable", arch):
        return url
    return None


async def look(provider: subprocess.Popen[str]) -> dict[str, object]:
    async with MdnsDiscovery(PeerId(bytes(32)), ["cable"]) as discovery:
        url = await first_url(discovery, "x86_64")
        other = None
        with anyio.move_on_after(0):
            other = await first_url(discovery, "aarch64")
        with await to_thread.run_sync(urllib.request.urlopen, f"{url}/metadata/1.root.json") as response:
            fetched = response.read().decode()
        provider.send_signal(signal.SIGTERM)
        heard = discovery._heard[PROVIDERS]
        while True:
            changed = discovery._changed
            if not heard.records():
                break
            await changed.wait()
        status = await to_thread.run_sync(provider.wait)
        return {"url": url, "other": other, "fetched": fetched, "status": status}


def main(repository: str, role: str = "looks") -> None:
    if role == "provides":
        print("here", flush=True)  # noqa: T201
        sys.stdin.readline()
        ip("link", "set", "lo", "up")
        plug_in("cable", "ip4", ADDRESSES[1])
        os.execv(sys.executable, [sys.executable, "-m", "plasm", "provide", repository, "--discovery", "mdns"])
    command = ["unshare", "--net", sys.executable, __file__, repository, "provides"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as provider:
        assert provider.stdin
        assert provider.stdout
        try:
            provider.stdout.readline()
            ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(provider.pid))
            plug_in("cable", "ip4", ADDRESSES[0])
            provider.stdin.write("plug in\n")
            provider.stdin.flush()
            print(json.dumps(anyio.run(look, provider, backend="trio")))  # noqa: T201
        finally:
            provider.kill()


if __name__ == "__main__":
    os.environ.pop("PLASM_MDNS_INTERFACES", None)
    main(*sys.argv[1:])
