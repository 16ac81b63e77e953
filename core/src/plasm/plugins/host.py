"""Chooses plugins by kind and name, and has them make what they provide."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from plasm.errors import IdentityExists, IdentityMissing, PluginError, PluginNotFound
from plasm.plugins.extensions import Deliver, Extensions, Report, deliver_now, warn_of
from plasm.plugins.index import Declared, PluginEntry, PluginIndex, PluginKind

if TYPE_CHECKING:
    from plasm.config import Config
    from plasm.contracts import BootMode, Discovery, RootfsNeeds, Runtime, Signer, Transport
    from plasm.model import PeerId
    from plasm.plugins.loading import Plugin

_PUBLIC_KEY_BYTES: Final = 32
_ENABLING: Final = "take it out of disable_plugins; plasm config show --origin says where that is"


class PluginHost:
    """The plugins of this installation under one configuration.  A process makes one and hands it on."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._loaded: dict[PluginEntry, Plugin] = {}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> PluginHost:
        """The plugins under the configuration that ``environ`` describes.

        Raises:
            InvalidConfig, UnreadableInput: as :meth:`plasm.config.Config.from_environment`.
        """
        from plasm.config import Config

        return cls(Config.from_environment(environ))

    @cached_property
    def _index(self) -> PluginIndex:
        return PluginIndex(self.config.cache_dir)

    @property
    def entries(self) -> tuple[PluginEntry, ...]:
        """Every installed plugin, disabled ones too."""
        return self._index.entries

    def disabled(self, entry: PluginEntry) -> bool:
        """Whether the configuration turns this plugin off."""
        return not self.config.disabled_plugins.isdisjoint({entry.name, f"{entry.kind}:{entry.name}"})

    def usable(self, kind: PluginKind) -> tuple[PluginEntry, ...]:
        """The plugins of ``kind`` that are not disabled."""
        return tuple(entry for entry in self.entries if entry.kind is kind and not self.disabled(entry))

    def names(self, kind: PluginKind) -> tuple[str, ...]:
        """The names of the plugins of ``kind`` that are not disabled, preferred ones first."""
        names = dict.fromkeys(entry.name for entry in self.usable(kind))
        if len(names) < 2:  # noqa: PLR2004 - then there is nothing to choose, and nothing need be loaded
            return tuple(names)
        return tuple(sorted(names, key=lambda name: (-self._preference(kind, name), name)))

    def select(self, kind: PluginKind, name: str | None = None) -> PluginEntry:
        """The plugin of ``kind`` called ``name``; without a name, the preferred one or the only one.

        Raises:
            PluginNotFound: none has the name, it is disabled, or the choice is open.
            PluginError: two distributions provide the name.
        """
        if name is None:
            name = self._preferred(kind)
        matches = [entry for entry in self.usable(kind) if entry.name == name]
        if not matches:
            raise self._not_found(kind, name)
        if len(matches) > 1:
            providers = " and ".join(entry.distribution for entry in matches)
            raise PluginError(f"{providers} both provide the {kind} plugin {name!r}", hint="uninstall one of them")
        return matches[0]

    def load(self, entry: PluginEntry) -> Plugin:
        """The plugin of ``entry``, imported once a process.

        Raises:
            PluginError: it cannot be loaded, or does not fit the hooks.
        """
        if entry not in self._loaded:
            from plasm.plugins.loading import Plugin

            plugin = self._loaded[entry] = Plugin(entry)
            self._index.keep({entry: plugin.declared})
        return self._loaded[entry]

    def runtime(self, name: str | None = None) -> Runtime:
        """The runtime called ``name``, made now.  Call this in a worker process only."""
        from plasm.contracts import Runtime

        entry = self.select(PluginKind.RUNTIME, name or self.config.runtime)
        runtime: Runtime = self._make(entry, "plasm_runtime", Runtime, config=self.config)
        return runtime

    def signer(self, name: str | None = None) -> Signer:
        """The signer called ``name``; raises :class:`~plasm.errors.IdentityMissing` where it has no key yet."""
        return self._signer("plasm_signer", name)

    def create_identity(self, name: str | None = None, *, replace: bool = False) -> Signer:
        """Have the signer called ``name`` make a new key; the former is kept aside where ``replace`` allows it."""
        return self._signer("plasm_create_identity", name, replace=replace)

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
        from plasm.contracts import Transport
        from plasm.plugins.guarding import GuardedTransport

        entry = self.select(PluginKind.TRANSPORT, name or self.config.transport)
        transport = self._make(entry, "plasm_transport", Transport, config=self.config, identity=identity)
        return GuardedTransport(transport, entry)

    def needs_transport(self, names: Iterable[str]) -> bool:
        """Whether one of the discoveries called so speaks over a transport."""
        plugins = [self.load(self.select(PluginKind.DISCOVERY, name)) for name in names]
        return any(plugin.takes("plasm_discovery", "transport") for plugin in plugins)

    def discovery(self, name: str, node: PeerId, transport: Transport | None) -> Discovery:
        """The discovery called ``name``, by which ``node`` finds others and is found.

        Raises:
            PluginError: it speaks over a transport, and there is none.
        """
        from plasm.contracts import Discovery
        from plasm.plugins.guarding import GuardedDiscovery

        entry = self.select(PluginKind.DISCOVERY, name)
        if transport is None and self.needs_transport([name]):
            raise PluginError(f"{entry.title} speaks over a transport, and there is none")
        arguments = {"config": self.config, "node": node, "transport": transport}
        return GuardedDiscovery(self._make(entry, "plasm_discovery", Discovery, **arguments), entry)

    def choose_discoveries(self, asked: Sequence[str] | None, *, otherwise: bool = True) -> tuple[str, ...]:
        """The discoveries that were ``asked`` for, where ``none`` asks for none.  Without any, and ``otherwise``, those
        of the configuration, or else the default ones."""
        if not asked and otherwise:
            asked = self.config.discoveries or self.default_discoveries()
        return tuple(name for name in asked or () if name != "none")

    def default_discoveries(self) -> tuple[str, ...]:
        """The discoveries to use where none is named: the preferred one, or those that share the first place.

        Those that need peers to begin with come first where the configuration has some, and do not count otherwise.
        """
        declared = {entry.name: self._declared(entry) for entry in self.usable(PluginKind.DISCOVERY)}
        usable = {name: said for name, said in declared.items() if said is not None}
        starting = {name: said for name, said in usable.items() if said.needs_bootstrap}
        if not (self.config.bootstrap and starting):
            starting = {name: said for name, said in usable.items() if not said.needs_bootstrap}
        best = max((said.preference for said in starting.values()), default=0)
        return tuple(name for name, said in starting.items() if said.preference == best)

    def boot_mode(self, name: str) -> BootMode:
        """The boot mode called ``name``."""
        from plasm.contracts import BootMode

        entry = self.select(PluginKind.BOOT_MODE, name)
        mode: BootMode = self._make(entry, "plasm_boot_mode", BootMode)
        unknown = sorted(mode.plugins.keys() - set(PluginKind))
        if unknown:
            raise PluginError(f"{entry.title} chooses plugins of a kind that there is not: {', '.join(unknown)}")
        return mode

    def plugins_of(self, mode: BootMode, extra: Iterable[tuple[PluginKind, str]] = ()) -> tuple[PluginEntry, ...]:
        """The plugin that ``mode`` is, those that it chooses, and the ``extra`` ones, by kind and name; each once."""
        chosen = [(PluginKind(kind), name) for kind, names in mode.plugins.items() for name in names]
        wanted = dict.fromkeys(((PluginKind.BOOT_MODE, mode.name), *chosen, *extra))
        return tuple(self.select(kind, name) for kind, name in wanted)

    def rootfs_needs(self, mode: BootMode, entries: Iterable[PluginEntry]) -> RootfsNeeds:
        """What the plugins of ``entries`` need in a boot image of ``mode``, together."""
        from plasm.plugins.composing import rootfs_needs

        return rootfs_needs(mode, map(self.load, entries))

    def extensions(self, report: Report = warn_of, deliver: Deliver = deliver_now) -> Extensions:
        """Every extension that is not disabled, loaded; see :class:`~plasm.plugins.extensions.Extensions`.

        Raises:
            PluginError: one cannot be used.  It might be there to refuse jobs, so nothing is run without it.
        """
        names = dict.fromkeys(entry.name for entry in self.usable(PluginKind.EXTENSION))
        plugins = [self.load(self.select(PluginKind.EXTENSION, name)) for name in names]
        return Extensions(plugins, self.config, report, deliver)

    def _preferred(self, kind: PluginKind) -> str | None:
        """The name of the only plugin of ``kind``, or of the one with the highest preference; ``None`` where that is
        several."""
        names = self.names(kind)
        tied = len(names) > 1 and self._preference(kind, names[0]) == self._preference(kind, names[1])
        return names[0] if names and not tied else None

    def _preference(self, kind: PluginKind, name: str) -> float:
        """One that cannot be loaded is preferred to none."""
        declared = [self._declared(entry) for entry in self.usable(kind) if entry.name == name]
        return max((said.preference for said in declared if said is not None), default=float("-inf"))

    def _declared(self, entry: PluginEntry) -> Declared | None:
        """What ``entry`` declares, loaded if need be; ``None`` where it cannot be loaded."""
        try:
            return self._index.declared(entry) or self.load(entry).declared
        except PluginError:
            return None

    def _make(self, entry: PluginEntry, hook: str, contract: type, **arguments: object) -> Any:
        from plasm.plugins.calling import make

        return make(self.load(entry), hook, contract, **arguments)

    def _signer(self, hook: str, name: str | None, **more: object) -> Signer:
        from plasm.contracts import Signer
        from plasm.plugins.guarding import GuardedSigner

        entry = self.select(PluginKind.SIGNING, name or self.config.signer)
        signer = GuardedSigner(self._make(entry, hook, Signer, config=self.config, **more), entry)
        if len(signer.public_key) != _PUBLIC_KEY_BYTES:
            raise PluginError(
                f"{entry.title} breaks the contract Signer: its public_key has {len(signer.public_key)} bytes"
            )
        return signer

    def _not_found(self, kind: PluginKind, name: str | None) -> PluginNotFound:
        installed = ", ".join(dict.fromkeys(entry.name for entry in self.entries if entry.kind is kind))
        usable = ", ".join(sorted({entry.name for entry in self.usable(kind)}))
        if name is None and usable:
            return PluginNotFound(f"no {kind} plugin was chosen", hint=f"installed: {usable}; choose one of them")
        if name is None and installed:
            return PluginNotFound(f"every {kind} plugin is disabled: {installed}", hint=_ENABLING)
        if any(entry.kind is kind and entry.name == name for entry in self.entries):
            return PluginNotFound(f"the {kind} plugin {name!r} is disabled", hint=_ENABLING)
        package = f"plasm-plugin-{kind}-{name or 'NAME'}".replace("_", "-")
        return PluginNotFound(
            f"there is no {kind} plugin" + (f" {name!r}" if name else ""),
            hint=f"installed: {usable or 'none'}; try: pip install {package}",
        )
