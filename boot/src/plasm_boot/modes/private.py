"""Private: no discovery, an identity of this boot only, nothing written, and the system on the medium itself."""

from __future__ import annotations

from plasm.contracts import BootMode
from plasm.contracts.boot import BootPolicy
from plasm.hookspecs import hookimpl

PLASM_HOOK_API = 1


@hookimpl
def plasm_boot_mode() -> BootMode:
    """The mode."""
    return BootMode(
        name="private",
        title="Private",
        plugins={"runtime": ("wasmtime",), "signing": ("ed25519",)},
        policy=BootPolicy(persistent_identity=False, cache=False, writes=False, network_scope="none"),
    )
