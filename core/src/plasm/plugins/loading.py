"""Importing a plugin and calling its hooks; every failure is told with the plugin's name."""

from __future__ import annotations

import importlib
from typing import Any

import pluggy

from plasm import hookspecs
from plasm.errors import PlasmError, PluginError, PluginIncompatible
from plasm.plugins.index import PluginEntry


def load(entry: PluginEntry) -> object:
    """Import the plugin of ``entry``.

    Raises:
        PluginIncompatible: it was written for another version of the hooks.
        PluginError: it cannot be imported.
    """
    module_name, _, attributes = entry.target.partition(":")
    try:
        plugin: object = importlib.import_module(module_name)
        for attribute in filter(None, attributes.split(".")):
            plugin = getattr(plugin, attribute)
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{_title(entry)} cannot be loaded: {type(error).__name__}: {error}",
            hint=f"reinstall it, or set PLASM_DISABLE_PLUGINS={entry.name}",
        ) from error
    speaks = getattr(plugin, "PLASM_HOOK_API", None)
    if speaks != hookspecs.HOOK_API:
        raise PluginIncompatible(
            f"{_title(entry)} speaks hook API {speaks}, this Plasm speaks {hookspecs.HOOK_API}",
            hint=f"install a version of {entry.distribution} made for this Plasm",
        )
    return plugin


def create(entry: PluginEntry, hook: str, **arguments: object) -> Any:
    """What the plugin of ``entry`` makes when its ``hook`` is called.

    Raises:
        PluginError: it cannot be loaded, has no such hook, or fails.
        PlasmError: what the plugin itself raises of these.
    """
    manager = new_manager()
    register(manager, entry)
    try:
        made = getattr(manager.hook, hook)(**arguments)
    except PlasmError:
        raise
    except Exception as error:
        raise PluginError(f"{_title(entry)} failed in {hook}: {type(error).__name__}: {error}") from error
    if made is None:
        raise PluginError(f"{_title(entry)} has no {hook}", hint="its author should implement that hook")
    return made


def new_manager() -> pluggy.PluginManager:
    """A manager that knows the hooks and no plugin yet."""
    manager = pluggy.PluginManager("plasm")
    manager.add_hookspecs(hookspecs)
    return manager


def register(manager: pluggy.PluginManager, entry: PluginEntry) -> None:
    """Load the plugin of ``entry`` and make it known to ``manager``.

    Raises:
        PluginError: it cannot be loaded, or its functions do not fit the hooks.
    """
    plugin = load(entry)
    try:
        manager.register(plugin, f"{entry.kind}:{entry.name}")
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{_title(entry)} does not fit the hooks: {str(error).splitlines()[-1]}") from error


def _title(entry: PluginEntry) -> str:
    return f"the {entry.kind} plugin {entry.name!r} ({entry.distribution} {entry.version})"
