"""Trying a plugin: its hooks are called as they are in earnest, short of running a job and of opening a socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from plasm.artifacts.cache import ArtifactCache
from plasm.cli.app import commands_of
from plasm.contracts import BootMode, Transport
from plasm.contracts.boot import BootPolicy
from plasm.errors import IdentityMissing, PlasmError
from plasm.execution.parent.executor import Executor
from plasm.model import PeerId
from plasm.ops.running import run
from plasm.plugins import PluginEntry, PluginHost, PluginKind
from plasm.signatures import EphemeralSigner

_BARE_MODE: Final = BootMode(
    name="bare",
    title="Bare",
    plugins={},
    policy=BootPolicy(persistent_identity=False, cache=False, writes=False, network_scope="none"),
)


def try_plugin(host: PluginHost, entry: PluginEntry) -> None:
    """Call the hooks of the plugin of ``entry``; a signer may have no key yet.

    Raises:
        PlasmError: it cannot be used.
    """
    plugin = host.load(entry)
    if entry.kind is PluginKind.RUNTIME:
        with Executor(entry.name, ArtifactCache(host.config.cache_dir / "modules" / entry.name)) as executor:
            executor.describe()
    elif entry.kind is PluginKind.SIGNING:
        with suppress(IdentityMissing):
            host.signer(entry.name)
    elif entry.kind is PluginKind.BOOT_MODE:
        host.boot_mode(entry.name)
    elif entry.kind is PluginKind.EXTENSION:
        if plugin.implements("plasm_cli"):
            commands_of(plugin)
    else:
        run(_try_on_the_network, host, entry)
    for mode in _modes(host):
        host.rootfs_needs(mode, [entry])


async def _try_on_the_network(host: PluginHost, entry: PluginEntry) -> None:
    """Make a transport or a discovery in an event loop, as they are made in earnest, and do not enter it."""
    signer = EphemeralSigner()
    if entry.kind is PluginKind.TRANSPORT:
        host.transport(signer, entry.name)
        return
    transport: Transport | None = host.transport(signer) if host.needs_transport([entry.name]) else None
    host.discovery(entry.name, PeerId(signer.public_key), transport)


def _modes(host: PluginHost) -> Iterator[BootMode]:
    """Modes to ask for needs in: those that are installed and work, and one that nobody knows."""
    yield _BARE_MODE
    for name in host.names(PluginKind.BOOT_MODE):
        with suppress(PlasmError):
            yield host.boot_mode(name)
