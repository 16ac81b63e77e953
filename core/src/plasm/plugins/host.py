"""Chooses plugins by kind and name, and has them make what they provide."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plasm.errors import IdentityExists, IdentityMissing, PluginError, PluginNotFound
from plasm.plugins.extensions import Extensions
from plasm.plugins.index import PluginEntry, PluginKind, installed_plugins

if TYPE_CHECKING:
    from plasm.config import Config
    from plasm.contracts import BootMode, Discovery, RootfsNeeds, Runtime, Signer, Transport
    from plasm.model import PeerId

PREFERRED = {PluginKind.RUNTIME: "wasmtime", PluginKind.SIGNING: "ed25519", PluginKind.TRANSPORT: "quic"}


class PluginHost:
    """The plugins of this installation under one configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def entries(self) -> tuple[PluginEntry, ...]:
        """Every installed plugin, disabled ones too."""
        return installed_plugins(self.config.cache_dir)

    def disabled(self, entry: PluginEntry) -> bool:
        """Whether the configuration turns this plugin off."""
        return not self.config.disabled_plugins.isdisjoint({entry.name, f"{entry.kind}:{entry.name}"})

    def names(self, kind: PluginKind) -> tuple[str, ...]:
        """The names of the plugins of ``kind`` that may be used, the preferred one first."""
        found = {entry.name for entry in self.entries if entry.kind is kind and not self.disabled(entry)}
        return tuple(sorted(found, key=lambda name: (name != PREFERRED.get(kind), name)))

    def select(self, kind: PluginKind, name: str | None = None) -> PluginEntry:
        """The plugin of ``kind`` called ``name``; without a name, the preferred one or the only one.

        Raises:
            PluginNotFound: none has the name, it is disabled, or the choice is open.
            PluginError: two distributions provide the name.
        """
        usable = [entry for entry in self.entries if entry.kind is kind and not self.disabled(entry)]
        names = sorted({entry.name for entry in usable})
        if name is None:
            preferred = PREFERRED.get(kind)
            name = preferred if preferred in names or len(names) != 1 else names[0]
        matches = [entry for entry in usable if entry.name == name]
        if not matches:
            raise self._not_found(kind, name, names)
        if len(matches) > 1:
            providers = " and ".join(entry.distribution for entry in matches)
            raise PluginError(f"{providers} both provide the {kind} plugin {name!r}", hint="uninstall one of them")
        return matches[0]

    def runtime(self, name: str | None = None) -> Runtime:
        """The runtime called ``name``, made now.  Call this in a worker process only."""
        runtime: Runtime = self._create(self.select(PluginKind.RUNTIME, name), "plasm_runtime", config=self.config)
        return runtime

    def signer(self, name: str | None = None) -> Signer:
        """The signer called ``name``; raises :class:`~plasm.errors.IdentityMissing` where it has no key yet."""
        entry = self.select(PluginKind.SIGNING, name or self.config.signer)
        signer: Signer = self._create(entry, "plasm_signer", config=self.config)
        return signer

    def create_identity(self, name: str | None = None, *, replace: bool = False) -> Signer:
        """Have the signer called ``name`` make a new key; the former is kept aside where ``replace`` allows it."""
        entry = self.select(PluginKind.SIGNING, name or self.config.signer)
        signer: Signer = self._create(entry, "plasm_create_identity", config=self.config, replace=replace)
        return signer

    def signer_made_if_missing(self, name: str | None = None) -> tuple[Signer, bool]:
        """The signer called ``name``, and whether its key was made just now; another process may make it first."""
        try:
            return self.signer(name), False
        except IdentityMissing:
            pass
        try:
            return self.create_identity(name), True
        except IdentityExists:
            return self.signer(name), False

    def transport(self, identity: Signer, name: str | None = None) -> Transport:
        """The transport called ``name``, on which this machine proves to be ``identity``."""
        entry = self.select(PluginKind.TRANSPORT, name or self.config.transport)
        transport: Transport = self._create(entry, "plasm_transport", config=self.config, identity=identity)
        return transport

    def discovery(self, name: str, node: PeerId, transport: Transport) -> Discovery:
        """The discovery called ``name``, by which ``node`` finds others and is found."""
        entry = self.select(PluginKind.DISCOVERY, name)
        discovery: Discovery = self._create(
            entry, "plasm_discovery", config=self.config, node=node, transport=transport
        )
        return discovery

    def default_discoveries(self) -> tuple[str, ...]:
        """The discoveries to use where none is named."""
        usable = {each.name for each in self.entries if each.kind is PluginKind.DISCOVERY and not self.disabled(each)}
        return ("dht",) if self.config.bootstrap and "dht" in usable else ("mdns",) if "mdns" in usable else ()

    def boot_mode(self, name: str) -> BootMode:
        """The boot mode called ``name``."""
        mode: BootMode = self._create(self.select(PluginKind.BOOT_MODE, name), "plasm_boot_mode")
        return mode

    def plugins_of(self, mode: BootMode, extra: Iterable[tuple[PluginKind, str]] = ()) -> tuple[PluginEntry, ...]:
        """The plugin that ``mode`` is, those that it chooses, and the ``extra`` ones, by kind and name; each once."""
        chosen = [(PluginKind(kind), name) for kind, names in mode.plugins.items() for name in names]
        wanted = dict.fromkeys(((PluginKind.BOOT_MODE, mode.name), *chosen, *extra))
        return tuple(self.select(kind, name) for kind, name in wanted)

    def rootfs_needs(self, mode: BootMode, entries: Iterable[PluginEntry]) -> RootfsNeeds:
        """What the plugins of ``entries`` need in a boot image of ``mode``, together."""
        from plasm.plugins.composing import rootfs_needs

        return rootfs_needs(mode, entries)

    def needs_transport(self, entry: PluginEntry) -> bool:
        """Whether a discovery speaks over the transport that it is given."""
        from plasm.plugins.composing import hook_takes

        return hook_takes(entry, "plasm_discovery", "transport")

    @cached_property
    def extensions(self) -> Extensions:
        """Every extension that is not disabled, loaded when it is first asked."""
        return Extensions(self)

    def _create(self, entry: PluginEntry, hook: str, **arguments: object) -> Any:
        from plasm.plugins.loading import create

        return create(entry, hook, **arguments)

    def _not_found(self, kind: PluginKind, name: str | None, names: Iterable[str]) -> PluginNotFound:
        if name is None:
            listed = ", ".join(names) or "none"
            return PluginNotFound(f"no {kind} plugin was chosen", hint=f"installed: {listed}")
        for entry in self.entries:
            if entry.kind is kind and entry.name == name:
                return PluginNotFound(
                    f"the {kind} plugin {name!r} is disabled",
                    hint="take it out of disable_plugins; plasm config show --origin says where that is",
                )
        listed = ", ".join(names) or "none"
        package = f"plasm-plugin-{kind}-{name}".replace("_", "-")
        return PluginNotFound(
            f"there is no {kind} plugin {name!r}", hint=f"installed: {listed}; try: pip install {package}"
        )
