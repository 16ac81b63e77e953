"""The contract of a boot mode: a named choice of plugins, and what each needs in an image."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from attrs import field, frozen

NO_CONFIGURATION: Mapping[str, str] = MappingProxyType({})


@frozen
class BootPolicy:
    """What a booted machine may keep and reach."""

    persistent_identity: bool
    cache: bool
    writes: bool
    network_scope: Literal["internet", "lan", "none"]


@frozen
class BootMode:
    """A named choice of plugins for a machine that boots into Plasm.

    ``plugins`` maps plugin kinds (``runtime``, ``discovery``, ``transport``, ``signing``) to names.
    """

    name: str
    title: str
    plugins: Mapping[str, tuple[str, ...]]
    policy: BootPolicy
    kernel_arguments: tuple[str, ...] = field(default=(), converter=tuple)


@frozen
class RootfsNeeds:
    """What a plugin needs in a boot image; the builder takes the union over the chosen plugins.

    ``wheels`` are distributions besides the plugin's own and what that requires, ``systemd_units`` are enabled,
    ``ports``, like ``udp/4001`` or ``tcp/8000-8010``, may be reached from outside, and ``configuration`` has keys of
    Plasm's configuration, like ``node.listen``, with values as variables have them.
    """

    wheels: tuple[str, ...] = ()
    debian_packages: tuple[str, ...] = ()
    kernel_modules: tuple[str, ...] = ()
    systemd_units: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    configuration: Mapping[str, str] = NO_CONFIGURATION
