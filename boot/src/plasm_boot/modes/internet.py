"""Internet: providers and peers by the DHT, an identity that stays, and a cache."""

from __future__ import annotations

from plasm.contracts import BootMode
from plasm.contracts.boot import BootPolicy
from plasm.hookspecs import hookimpl

PLASM_HOOK_API = 1


@hookimpl
def plasm_boot_mode() -> BootMode:
    """The mode."""
    return BootMode(
        name="internet",
        title="Internet",
        plugins={
            "runtime": ("wasmtime",),
            "discovery": ("dht",),
            "transport": ("quic",),
            "signing": ("ed25519",),
        },
        policy=BootPolicy(persistent_identity=True, cache=True, writes=True, network_scope="internet"),
    )
