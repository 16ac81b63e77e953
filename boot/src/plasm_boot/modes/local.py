"""Local: providers and peers on the local network by multicast DNS, an identity that stays, the cache preferred."""

from __future__ import annotations

from plasm.contracts import BootMode
from plasm.contracts.boot import BootPolicy
from plasm.hookspecs import hookimpl

PLASM_HOOK_API = 1


@hookimpl
def plasm_boot_mode() -> BootMode:
    """The mode."""
    return BootMode(
        name="local",
        title="Local",
        plugins={
            "runtime": ("wasmtime",),
            "discovery": ("mdns",),
            "transport": ("quic",),
            "signing": ("ed25519",),
        },
        policy=BootPolicy(persistent_identity=True, cache=True, writes=True, network_scope="lan"),
    )
