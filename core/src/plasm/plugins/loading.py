"""Importing a plugin, and what can be asked of it once it has been imported."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pluggy

from plasm import hookspecs
from plasm.errors import PluginError, PluginIncompatible
from plasm.plugins.index import Declared, PluginEntry
from plasm.plugins.printing import printing_to_stderr


class Plugin:
    """A plugin that is loaded and whose functions fit the hooks.

    Each has a pluggy manager of its own, for pluggy's call to several plugins ends at the first that raises.

    Raises:
        PluginIncompatible: it was written for another version of the hooks.
        PluginError: it cannot be imported, or does not fit.
    """

    def __init__(self, entry: PluginEntry) -> None:
        self.entry = entry
        module = _import(entry)
        self.declared = _declared(entry, module)
        self._hooks = _register(entry, module).hook

    def implements(self, hook: str) -> bool:
        """Whether it has this hook."""
        return bool(self._caller(hook).get_hookimpls())

    def takes(self, hook: str, argument: str) -> bool:
        """Whether it has this hook and asks for ``argument`` in it."""
        return any(argument in each.argnames for each in self._caller(hook).get_hookimpls())

    def call(self, hook: str, **arguments: object) -> Any:
        """What its ``hook`` returns or raises, whatever it prints going to stderr; ``None`` without this hook."""
        caller = self._caller(hook)
        with printing_to_stderr():
            answer = caller(**arguments)
        if caller.spec is not None and caller.spec.opts["firstresult"]:
            return answer
        return next(iter(answer), None)  # pluggy's list of the answers of all plugins, which is one here

    def _caller(self, hook: str) -> pluggy.HookCaller:
        caller: pluggy.HookCaller = getattr(self._hooks, hook)
        return caller


def blame(entry: PluginEntry, failed: str, error: BaseException, *, hint: str = "") -> PluginError:
    """The error that says what the plugin ``failed`` to do; its ``trace`` is for the plugin's author."""
    import traceback

    blamed = PluginError(f"{entry.title} {failed}: {type(error).__name__}: {error}", hint=hint)
    blamed.trace = "".join(traceback.format_exception(error))
    return blamed


def _import(entry: PluginEntry) -> object:
    module_name, _, attributes = entry.target.partition(":")
    try:
        with printing_to_stderr():
            module: object = importlib.import_module(module_name)
            for attribute in filter(None, attributes.split(".")):
                module = getattr(module, attribute)
    except (Exception, SystemExit) as error:
        raise blame(entry, "cannot be loaded", error, hint=f"reinstall it, or {_disabling(entry)}") from error
    speaks = getattr(module, "PLASM_HOOK_API", None)
    if speaks != hookspecs.HOOK_API:
        raise PluginIncompatible(
            f"{entry.title} speaks hook API {speaks}, this Plasm speaks {hookspecs.HOOK_API}",
            hint=f"install a version of {entry.distribution} made for this Plasm, or {_disabling(entry)}",
        )
    return module


def _declared(entry: PluginEntry, module: object) -> Declared:
    declared = Declared(getattr(module, "PLASM_PREFERENCE", 0), getattr(module, "PLASM_NEEDS_BOOTSTRAP", False))
    for name, value, wanted in zip(("PLASM_PREFERENCE", "PLASM_NEEDS_BOOTSTRAP"), declared, (int, bool), strict=True):
        if type(value) is not wanted:
            raise PluginError(f"{entry.title} has a {name} that is not {wanted.__name__}", hint=_disabling(entry))
    return declared


def _register(entry: PluginEntry, module: object) -> pluggy.PluginManager:
    manager = pluggy.PluginManager("plasm")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, f"{entry.kind}:{entry.name}")
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        why = str(error).splitlines()[-1]
        raise PluginError(f"{entry.title} does not fit the hooks: {why}", hint=_disabling(entry)) from error
    for caller in manager.get_hookcallers(module) or ():
        if any(_needs_keywords(each.function) for each in caller.get_hookimpls()):
            why = f"{caller.name} takes arguments by keyword only, and would never get them"
            raise PluginError(f"{entry.title} does not fit the hooks: {why}", hint=_disabling(entry))
    return manager


def _needs_keywords(function: Callable[..., object]) -> bool:
    """Whether it takes arguments by keyword only: pluggy calls by position, and does not notice."""
    taken = getattr(getattr(function, "__code__", None), "co_kwonlyargcount", 0)
    return taken > len(getattr(function, "__kwdefaults__", None) or ())


def _disabling(entry: PluginEntry) -> str:
    return f"set PLASM_DISABLE_PLUGINS={entry.kind}:{entry.name}"
