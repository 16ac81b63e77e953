"""From a stranger's bytes to a module that can be run as a command, or to the reason why not."""

from __future__ import annotations

import re

from wasmtime import Engine, FuncType, InstancePre, Linker, Module, Store, WasmtimeError

from plasm.errors import InvalidModule, UnsupportedImport
from plasm_runtime_wasmtime.engine import refused_proposal
from plasm_runtime_wasmtime.header import check_header

_SHOWN = 5
_LONGEST_TEXT = 200
_CAUSE_NUMBER = re.compile(r"^\d+: ")
_COMMAND_HINT = "compile a program with a main function for wasm32-wasip1"
_IMPORT_HINTS = (
    ("wasi_snapshot_preview1", "WASI preview 1 has no such function: rebuild it with a released toolchain"),
    ("wasi_unstable", "it was built for WASI preview 0: rebuild it for wasm32-wasip1"),
    ("wasi:", "it was built for WASI preview 2: compile for wasm32-wasip1"),
    ("wasi.thread-spawn", "it was built for threads: compile for wasm32-wasip1 without them"),
    ("wasix", "it was built for WASIX: compile for wasm32-wasip1"),
    ("wbg", "it was built for a browser: compile for wasm32-wasip1 without wasm-bindgen"),
    ("__wbindgen", "it was built for a browser: compile for wasm32-wasip1 without wasm-bindgen"),
    ("env.", "a function was declared and never linked in, or it was built for a browser"),
    ("", "jobs get WASI preview 1 and nothing else: compile for wasm32-wasip1"),
)


def compile_command(data: bytes, engine: Engine, linker: Linker) -> tuple[Module, InstancePre]:
    """The module in ``data``, compiled, and with its imports resolved.

    Raises:
        InvalidModule: malformed, made for features that jobs do not get, or not a command.
        UnsupportedImport: it imports what ``linker`` does not have.
    """
    check_header(data)
    try:
        module = Module(engine, data)
    except WasmtimeError as error:
        raise _rejected(root_cause(str(error))) from None
    prepared = _link(module, linker)
    _check_start(module)
    return module, prepared


def root_cause(message: str) -> str:
    """The innermost of an engine's nested causes, the one that says what was wrong, fit for a terminal."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return _printable(_CAUSE_NUMBER.sub("", lines[-1])) if lines else "no reason was given"


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
    with Store(linker.engine) as store:
        wanted = [(item.module, item.name or "") for item in module.imports]
        missing = [f"{space}.{name}" for space, name in wanted if not _has(linker, store, space, name)]
    if not missing:
        return UnsupportedImport(
            f"the module imports something of WASI preview 1 as what it is not: {root_cause(error)}",
            hint=_COMMAND_HINT,
        )
    shown = ", ".join(map(_printable, missing[:_SHOWN]))
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    hint = next(hint for start, hint in _IMPORT_HINTS if missing[0].startswith(start))
    return UnsupportedImport(f"the module imports {shown}{more}, which no job is given", hint=hint)


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
    return InvalidModule(f"the module is malformed: {reason}", hint="compile or download it again")


def _printable(text: str) -> str:
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return shown if len(shown) <= _LONGEST_TEXT else shown[:_LONGEST_TEXT] + "…"
