"""Asking plugins what they need in a boot image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from plasm.contracts import BootMode, RootfsNeeds
from plasm.errors import PluginError
from plasm.plugins.calling import ask, fitting
from plasm.plugins.index import PluginEntry
from plasm.plugins.loading import Plugin

HOOK: Final = "plasm_compose_rootfs"


def rootfs_needs(mode: BootMode, plugins: Iterable[Plugin]) -> RootfsNeeds:
    """The union of what these plugins need in an image of ``mode``; one without the hook needs its wheels only.

    Raises:
        PluginError: one of them fails, or does not agree with another about a file.
    """
    union = RootfsNeeds()
    for plugin in plugins:
        needs = ask(plugin, HOOK, mode=mode)
        if needs is not None:
            union = _union(union, fitting(plugin, HOOK, RootfsNeeds, needs), plugin.entry)
    return union


def _union(one: RootfsNeeds, other: RootfsNeeds, entry: PluginEntry) -> RootfsNeeds:
    for path, text in other.configuration.items():
        if one.configuration.get(path, text) != text:
            raise PluginError(
                f"the {entry.kind} plugin {entry.name!r} and another one want different contents in {path}",
                hint="choose one of them",
            )
    return RootfsNeeds(
        wheels=_both(one.wheels, other.wheels),
        debian_packages=_both(one.debian_packages, other.debian_packages),
        kernel_modules=_both(one.kernel_modules, other.kernel_modules),
        systemd_units=_both(one.systemd_units, other.systemd_units),
        ports=_both(one.ports, other.ports),
        configuration={**one.configuration, **other.configuration},
    )


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))
