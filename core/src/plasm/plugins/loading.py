"""Importing a plugin, and what can be asked of it once it has been imported."""

from __future__ import annotations

import importlib
import inspect
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pluggy

from plasm import hookspecs
from plasm.errors import PluginError, PluginIncompatible
from plasm.plugins.index import Declared, PluginEntry, PluginKind
from plasm.plugins.printing import printing_to_stderr

EXTENSION_HOOKS: Final = (
    "plasm_admit_job",
    "plasm_job_event",
    "plasm_receipt_issued",
    "plasm_cli",
    "plasm_compose_rootfs",
)
"""An extension that has none of these does nothing."""


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

    # An exception of somebody else's may fail to say what it is; this says that, too.
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    blamed = PluginError(f"{entry.title} {failed}: {_unqualified(said)}", hint=hint)
    blamed.trace = "".join(traceback.format_exception(error))
    return blamed


def _unqualified(said: str) -> str:
    """What :mod:`traceback` says of an exception, in one line and without the module of its class."""
    kind, colon, rest = said.partition(":")
    return " ".join(f"{kind.rpartition('.')[2]}{colon}{rest}".split())


def is_interrupt(error: BaseException) -> bool:
    """Whether ``error`` is the user's Ctrl-C, which only the main thread gets, and no plugin's doing."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def _import(entry: PluginEntry) -> object:
    module_name, _, attributes = entry.target.partition(":")
    try:
        with printing_to_stderr():
            module: object = importlib.import_module(module_name)
            for attribute in filter(None, attributes.split(".")):
                module = getattr(module, attribute)
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise blame(entry, "cannot be loaded", error, hint=f"reinstall it, or {_disabling(entry)}") from error
    speaks = getattr(module, "PLASM_HOOK_API", None)
    wrong = None
    if speaks is None:
        wrong = f"lacks the line PLASM_HOOK_API = {hookspecs.HOOK_API} in its module"
    elif type(speaks) is not int:
        wrong = f"has PLASM_HOOK_API = {speaks!r:.80}, which must be a whole number"
    if wrong is not None:
        raise PluginIncompatible(f"{entry.title} {wrong}", hint=f"its author should mend it, or {_disabling(entry)}")
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
    hooks = [name for name in vars(hookspecs) if manager.parse_hookspec_opts(hookspecs, name) is not None]
    specs = {name: getattr(manager.hook, name).spec.argnames for name in hooks}
    implemented = {name for name in dir(module) if manager.parse_hookimpl_opts(module, name) is not None}
    why = next(_misfits(entry.kind, module, implemented, specs), None)
    if why is None:
        try:
            manager.register(module, f"{entry.kind}:{entry.name}")
        except pluggy.PluginValidationError as error:
            why = str(error).splitlines()[-1]
    if why is not None:
        raise PluginError(f"{entry.title} {why}", hint=_disabling(entry))
    return manager


def _misfits(
    kind: PluginKind, module: object, implemented: set[str], specs: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    """What is wrong with the hooks of a plugin, in words that follow its name.

    pluggy calls by position with the arguments that it reads from the code, so it does not notice most of it.
    """
    for name in sorted(implemented):
        for why in _hook_misfits(name, getattr(module, name), specs):
            yield f"does not fit the hooks: {why}"
    if kind is PluginKind.EXTENSION:
        for name in EXTENSION_HOOKS:
            if name not in implemented and callable(getattr(module, name, None)):
                yield f"does not fit the hooks: {name} lacks @hookimpl"
        if implemented.isdisjoint(EXTENSION_HOOKS):
            yield f"provides none of the hooks of an extension: {', '.join(EXTENSION_HOOKS)}"


def _hook_misfits(name: str, function: Any, specs: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if name not in specs:
        import difflib

        similar = difflib.get_close_matches(name, specs, 1)
        yield f"there is no hook {name}" + (f"; did you mean {similar[0]}?" if similar else "")
        return
    wrapper = function.plasm_impl["wrapper"] or function.plasm_impl["hookwrapper"]
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        yield f"{name} is async, and hooks are called as plain functions"
    elif inspect.isgeneratorfunction(function) and not wrapper:
        yield f"{name} is a generator, and would never run"
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield f"{name} takes {str(parameter).partition(':')[0]}, and would get nothing in it: name the arguments"
        elif parameter.default is not parameter.empty:
            continue
        elif parameter.kind is parameter.KEYWORD_ONLY:
            yield f"{name} takes arguments by keyword only, and would never get them"
        elif parameter.name not in specs[name]:
            known = ", ".join(specs[name]) or "none"
            yield f"{name} has no argument {parameter.name!r}; its arguments are: {known}"


def _disabling(entry: PluginEntry) -> str:
    return f"set PLASM_DISABLE_PLUGINS={entry.kind}:{entry.name}"
