"""The contract of a boot mode: a named choice of plugins, and what each needs in an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from attrs import field, frozen


def _texts(values: Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r:.80} is not a sequence of texts")
    return tuple(values)


def _by_kind(plugins: Mapping[str, Sequence[str]]) -> Mapping[str, tuple[str, ...]]:
    return {str(kind): _texts(names) for kind, names in plugins.items()}


NO_CONFIGURATION: Final[Mapping[str, str]] = MappingProxyType({})


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
    plugins: Mapping[str, tuple[str, ...]] = field(converter=_by_kind)
    policy: BootPolicy
    kernel_arguments: tuple[str, ...] = field(default=(), converter=_texts)


@frozen
class RootfsNeeds:
    """What a plugin needs in a boot image; the builder takes the union over the chosen plugins.

    ``wheels`` are distributions besides the plugin's own and what that requires, ``systemd_units`` are enabled,
    ``ports``, like ``udp/4001`` or ``tcp/8000-8010``, may be reached from outside, and ``configuration`` has keys of
    Plasm's configuration, like ``node.listen``, with values as variables have them.
    """

    wheels: tuple[str, ...] = field(default=(), converter=_texts)
    debian_packages: tuple[str, ...] = field(default=(), converter=_texts)
    kernel_modules: tuple[str, ...] = field(default=(), converter=_texts)
    systemd_units: tuple[str, ...] = field(default=(), converter=_texts)
    ports: tuple[str, ...] = field(default=(), converter=_texts)
    configuration: Mapping[str, str] = NO_CONFIGURATION
