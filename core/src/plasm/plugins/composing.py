"""Asking plugins what they need in a boot image."""

from __future__ import annotations

from collections.abc import Iterable

from plasm.contracts import BootMode, RootfsNeeds
from plasm.errors import PluginError
from plasm.plugins.index import PluginEntry
from plasm.plugins.loading import new_manager, register


def rootfs_needs(mode: BootMode, entries: Iterable[PluginEntry]) -> RootfsNeeds:
    """The union of what these plugins need in an image of ``mode``; one without the hook needs its wheels only.

    Raises:
        PluginError: one of them cannot be loaded, fails, or does not agree with another about a file.
    """
    union = RootfsNeeds()
    for entry in entries:
        manager = new_manager()
        register(manager, entry)
        try:
            answers = manager.hook.plasm_compose_rootfs(mode=mode)
        except Exception as error:
            title = f"the {entry.kind} plugin {entry.name!r}"
            raise PluginError(f"{title} failed in plasm_compose_rootfs: {type(error).__name__}: {error}") from error
        for needs in answers:
            union = _union(union, needs, entry)
    return union


def hook_takes(entry: PluginEntry, hook: str, argument: str) -> bool:
    """Whether the plugin of ``entry`` asks for ``argument`` in its ``hook``.

    Raises:
        PluginError: it cannot be loaded.
    """
    manager = new_manager()
    register(manager, entry)
    return any(argument in each.argnames for each in getattr(manager.hook, hook).get_hookimpls())


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
