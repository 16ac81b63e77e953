"""Asking the hooks of loaded plugins; each failure has the plugin's name."""

from __future__ import annotations

from typing import Any

from plasm.errors import PlasmError, PluginError
from plasm.plugins.loading import Plugin, blame, is_interrupt


def ask(plugin: Plugin, hook: str, **arguments: object) -> Any:
    """What the ``hook`` of ``plugin`` returns.

    Raises:
        PluginError: the plugin fails in it.
        PlasmError: what the plugin itself raises of these.
    """
    try:
        return plugin.call(hook, **arguments)
    except PlasmError:
        raise
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise blame(plugin.entry, f"failed in {hook}", error) from error


def make(plugin: Plugin, hook: str, contract: type, **arguments: object) -> Any:
    """What the ``hook`` of ``plugin`` makes, which fits ``contract``.

    Raises:
        PluginError: the plugin lacks the hook, or fails in it, or what it makes does not fit.
        PlasmError: what the plugin itself raises of these.
    """
    if not plugin.implements(hook):
        raise PluginError(f"{plugin.entry.title} has no {hook}", hint="its author should implement that hook")
    return fitting(plugin, hook, contract, ask(plugin, hook, **arguments))


def fitting(plugin: Plugin, hook: str, contract: type, made: object) -> Any:
    """What the ``hook`` of ``plugin`` has ``made``, which fits ``contract``.

    Raises:
        PluginError: it does not.
    """
    from plasm.plugins.fitting import misfit

    fault = misfit(made, contract)
    if fault is not None:
        raise PluginError(
            f"{plugin.entry.title} breaks the contract {contract.__name__}: what {hook} returned {fault}",
            hint=f"its author should see plasm.contracts.{contract.__name__}",
        )
    return made
