"""From a stranger's bytes to a module that can be run as a command, or to the reason why not."""

from __future__ import annotations

import re

from wasmtime import Engine, FuncType, InstancePre, Linker, Module, Store, WasmtimeError

from plasm.errors import InvalidModule, UnsupportedImport
from plasm_runtime_wasmtime.engine import refused_proposal

_MAGIC = b"\0asm"
_MAX_REASON_CHARS = 200
_CAUSE_NUMBER = re.compile(r"^\d+: ")
_COMMAND_HINT = "compile a program with a main function for wasm32-wasip1"


def compile_command(data: bytes, engine: Engine, linker: Linker) -> tuple[Module, InstancePre]:
    """The module in ``data``, compiled, and with its imports resolved.

    Raises:
        InvalidModule: malformed, made for features that jobs do not get, or not a command.
        UnsupportedImport: it imports what ``linker`` does not have.
    """
    if not data.startswith(_MAGIC):  # wasmtime would take text too
        raise _malformed("it does not start with \\0asm")
    try:
        module = Module(engine, data)
    except WasmtimeError as error:
        raise _rejected(root_cause(str(error))) from None
    prepared = _link(module, linker)
    _check_start(module)
    return module, prepared


def root_cause(message: str) -> str:
    """The innermost of an engine's nested causes, the one that says what was wrong, fit for a terminal."""
    from plasm.model.text import printable  # only who is refused waits for it

    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return printable(_CAUSE_NUMBER.sub("", lines[-1]), _MAX_REASON_CHARS) if lines else "no reason was given"


def _link(module: Module, linker: Linker) -> InstancePre:
    """The module with its imports resolved.

    Raises:
        UnsupportedImport: naming the first few imports that ``linker`` does not have.
    """
    try:
        return linker.instantiate_pre(module)
    except WasmtimeError as error:
        raise _unresolved(module, linker, str(error)) from None


def _check_start(module: Module) -> None:
    """Refuse what cannot be started as a command.

    Raises:
        InvalidModule: no ``_start``, or one that is not a function without parameters and results.
    """
    exports = {item.name: item.type for item in module.exports}
    start = exports.get("_start")
    if start is None and "_initialize" in exports:
        raise InvalidModule(
            "the module is a library (a reactor, with _initialize and no _start)",
            hint="link it as a command, without -mexec-model=reactor",
        )
    if start is None:
        raise InvalidModule("the module has no _start function, so nothing says where to begin", hint=_COMMAND_HINT)
    if not isinstance(start, FuncType) or start.params or start.results:
        raise InvalidModule("the module's _start is not a function without parameters and results", hint=_COMMAND_HINT)


def _unresolved(module: Module, linker: Linker, error: str) -> UnsupportedImport:
    from plasm.model.wasi import unsupported_imports  # as above

    with Store(linker.engine) as store:
        wanted = [(item.module, item.name or "") for item in module.imports]
        missing = [(space, name) for space, name in wanted if not _has(linker, store, space, name)]
    if not missing:
        return UnsupportedImport(
            f"the module imports something of WASI preview 1 as what it is not: {root_cause(error)}",
            hint=_COMMAND_HINT,
        )
    return unsupported_imports(missing)


def _has(linker: Linker, store: Store, module: str, name: str) -> bool:
    try:
        linker.get(store, module, name)
    except WasmtimeError:
        return False
    return True


def _rejected(reason: str) -> InvalidModule:
    proposal = refused_proposal(reason)
    if proposal is not None:
        return InvalidModule(
            f"the module uses {proposal}, which jobs do not get ({reason})",
            hint="compile for wasm32-wasip1 without that feature",
        )
    if "limit" in reason or "too large" in reason or "too many" in reason:
        return InvalidModule(f"the module is too complex: {reason}", hint="split its largest functions")
    return _malformed(reason)


def _malformed(reason: str) -> InvalidModule:
    return InvalidModule(f"the module is malformed: {reason}", hint="compile or download it again")
