"""What makes a module a command: a ``_start`` to begin with, and a memory in which WASI can answer."""

from __future__ import annotations

from plasm.errors import InvalidModule
from plasm_runtime_wasmer.sections import FUNCTION, MEMORY, FunctionType, Module
from plasm_runtime_wasmer.wasi import NEED_NO_MEMORY

_HINT = "compile a program with a main function for wasm32-wasip1"


def check_command(module: Module) -> int:
    """The index of the function that a command begins with.

    Raises:
        InvalidModule: it is not a command.
    """
    exports = {item.name: item for item in module.exports}
    start = exports.get("_start")
    if start is None and "_initialize" in exports:
        raise InvalidModule(
            "the module is a library (a reactor, with _initialize and no _start)",
            hint="link it as a command, without -mexec-model=reactor",
        )
    if start is None:
        raise InvalidModule("the module has no _start function, so nothing says where to begin", hint=_HINT)
    if start.kind != FUNCTION or module.types[module.function_types[start.target]] != FunctionType(b"", b""):
        raise InvalidModule("the module's _start is not a function without parameters and results", hint=_HINT)
    memory = exports.get("memory")
    if memory is None or memory.kind != MEMORY:
        answered = [item.name for item in module.imports if item.name not in NEED_NO_MEMORY]
        if answered:
            raise InvalidModule(
                f"the module exports no memory, where {answered[0]} would put its answer", hint="link it as a command"
            )
    return start.target
