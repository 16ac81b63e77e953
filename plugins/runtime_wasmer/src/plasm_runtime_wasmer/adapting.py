"""A job's module made into one that the SDK runs as jobs are to be run.

What the SDK has no setting for is put into the module: the memory limit as its memory's maximum, an end for its
tables, its start section as the beginning of ``_start`` (the SDK's WASI does not work in a start section), a memory
where there is none.  What the SDK would do more than a runtime for preview 1 does is taken out: the exports that it
looks for beside ``memory`` and ``_start``, the custom sections that make it a dynamic linker, and the descriptors
above the standard streams' with every way to a file: the SDK gives each guest a file system of its own, Plasm none.
It also calls the streams terminals, which they are not.

Exit codes pass the SDK with eight bits.  Larger ones are spelled: the job traps in a chain of functions, one a bit,
and the trap's list of functions tells the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from plasm_runtime_wasmer.binary import Reader, malformed, sized, u32, vector
from plasm_runtime_wasmer.instructions import redirect
from plasm_runtime_wasmer.references import References
from plasm_runtime_wasmer.sections import (
    CODE,
    ELEMENTS,
    EXPORTS,
    FUNCTION,
    FUNCTIONS,
    GLOBALS,
    HEADER,
    MEMORIES,
    MEMORY,
    ORDER,
    START,
    TABLES,
    TYPES,
    Module,
    Size,
)

MAX_TABLES = 4
MAX_TABLE_ELEMENTS = 1_000_000
CODE_BITS = 32

_BAD_DESCRIPTOR = b"\x41\x08"
_STDERR = b"\x41\x02"
_HIDDEN = frozenset({"fd_prestat_dir_name", "fd_prestat_get", "fd_readdir"})
_FUNCREF = b"\x70"
_SPELLING_TYPE = b"\x60\x02\x7f\x7f\x00"


class Adapted(NamedTuple):
    """``exit`` is the index of the function that takes the place of ``proc_exit``, or ``None`` where it is not used;
    the two that spell zeros and ones come after it.  ``too_large`` is what has no room within its limits."""

    module: bytes
    exit: int | None
    too_large: bool


def adapt(module: Module, start: int, max_pages: int) -> Adapted:
    """``module`` for jobs with at most ``max_pages`` of memory; ``start`` is its function ``_start``.

    Raises:
        InvalidModule: an instruction that jobs do not get, or bodies that are malformed.
    """
    added = _Added(module)
    exit_function: int | None = None
    instead: dict[int, int] = {}
    for index, item in enumerate(item for item in module.imports if item.type is not None):
        assert item.type is not None
        if item.name == "proc_exit":
            exit_function = _add_exit(added, item.type, index) if exit_function is None else exit_function
            instead[index] = exit_function
        elif item.name.startswith("path_") or item.name in _HIDDEN:
            instead[index] = added.function(item.type, _BAD_DESCRIPTOR)
        elif item.name.startswith("fd_"):
            parameters = len(module.types[item.type].parameters)
            instead[index] = added.function(item.type, _guarded(item.name, index, parameters))
    if module.start is not None:
        start = added.function(module.function_types[start], _call(module.start) + _call(start))
    memory = module.memories[0] if module.memories else Size(0, 0)
    sections = {
        **module.sections,
        TYPES: vector([*_raw_types(module), *added.types]),
        FUNCTIONS: vector(map(u32, [*module.functions, *added.functions])),
        MEMORIES: vector([_size(memory, max_pages)]),
        EXPORTS: vector(_exports(module, start, instead)),
        CODE: vector(sized(body) for body in [*_bodies(module, instead), *added.bodies]),
    }
    functions = len(module.function_types)
    if ELEMENTS in sections:
        sections[ELEMENTS] = References(sections[ELEMENTS], instead, functions).elements()
    if GLOBALS in sections:
        sections[GLOBALS] = References(sections[GLOBALS], instead, functions).globals()
    if module.tables:
        sections[TABLES] = vector(_FUNCREF + _size(table, MAX_TABLE_ELEMENTS) for table in module.tables)
    sections.pop(START, None)
    elements = sum(table.least for table in module.tables)
    too_large = memory.least > max_pages or elements > MAX_TABLE_ELEMENTS or len(module.tables) > MAX_TABLES
    return Adapted(_assemble(sections), exit_function, too_large)


class _Added:
    """Functions that come after the module's own, so that no index changes."""

    def __init__(self, module: Module) -> None:
        self._first_type = len(module.types)
        self._first_function = len(module.function_types)
        self.types: list[bytes] = []
        self.functions: list[int] = []
        self.bodies: list[bytes] = []

    @property
    def next(self) -> int:
        """The index of the function that is added next."""
        return self._first_function + len(self.functions)

    def type(self, encoded: bytes) -> int:
        self.types.append(encoded)
        return self._first_type + len(self.types) - 1

    def function(self, type_index: int, instructions: bytes) -> int:
        """Add a function without locals; returns its index."""
        self.functions.append(type_index)
        self.bodies.append(b"\x00" + instructions + b"\x0b")
        return self.next - 1


def _add_exit(added: _Added, exit_type: int, proc_exit: int) -> int:
    """What is called in place of ``proc_exit``; nobody returns from it."""
    exit_function = added.next
    zero, one = exit_function + 1, exit_function + 2
    # if code < 256 then proc_exit(code); zero(code, 32)
    small = b"\x20\x00\x41\x80\x02\x49\x04\x40\x20\x00" + _call(proc_exit) + b"\x0b"
    added.function(exit_type, small + b"\x20\x00\x41" + u32(CODE_BITS) + _call(zero))
    # if left = 0 then unreachable; if code & 1 then one(code >> 1, left - 1) else zero(code >> 1, left - 1)
    rest = b"\x20\x00\x41\x01\x76\x20\x01\x41\x01\x6b"
    spell = b"\x20\x01\x45\x04\x40\x00\x0b\x20\x00\x41\x01\x71\x04\x40" + rest + _call(one) + b"\x05"
    spelling_type = added.type(_SPELLING_TYPE)
    for _ in (zero, one):
        added.function(spelling_type, spell + rest + _call(zero) + b"\x0b")
    return exit_function


def _guarded(name: str, function: int, parameters: int) -> bytes:
    """A call of ``function`` that goes no further for another descriptor than the standard streams'."""
    given = [b"\x20" + u32(parameter) for parameter in range(parameters)]
    descriptors = given[: 2 if name == "fd_renumber" else 1]
    # if descriptor > 2 then return 8
    guards = [given + _STDERR + b"\x4b\x04\x40" + _BAD_DESCRIPTOR + b"\x0f\x0b" for given in descriptors]
    called = b"".join([*guards, *given, _call(function)])
    if name != "fd_fdstat_get":
        return called
    # error := called; if error = 0 then the kind of file at the address := 0, which is unknown; error
    return called + b"\x21\x00\x20\x00\x45\x04\x40\x20\x01\x41\x00\x3a\x00\x00\x0b\x20\x00"


def _call(function: int) -> bytes:
    return b"\x10" + u32(function)


def _raw_types(module: Module) -> list[bytes]:
    return [b"\x60" + sized(kind.parameters) + sized(kind.results) for kind in module.types]


def _exports(module: Module, start: int, instead: Mapping[int, int]) -> list[bytes]:
    """``memory`` and ``_start``.  Other functions get names without a meaning: one that is exported may be referred
    to in bodies, another one may not."""
    others = sorted({*(item.target for item in module.exports if item.kind == FUNCTION), *instead.values()})
    named = [(b"memory", MEMORY, 0), (b"_start", FUNCTION, start)]
    named += [(b"%d" % index, FUNCTION, index) for index in others]
    return [sized(name) + bytes([kind]) + u32(index) for name, kind, index in named]


def _size(size: Size, most: int) -> bytes:
    """The size that grows to ``most`` at the largest.  What begins larger is never run, and may not overwhelm the
    compiler either."""
    bound = most if size.most is None else min(size.most, most)
    return b"\x01" + u32(min(size.least, bound)) + u32(bound)


def _bodies(module: Module, instead: Mapping[int, int]) -> Sequence[bytes]:
    reader = Reader(module.sections.get(CODE, b"\0"))
    bodies = reader.vector(lambda: reader.take(reader.u32()))
    if reader or len(bodies) != len(module.functions):
        raise malformed("its functions and their bodies are not of the same number")
    functions = len(module.function_types)
    return [redirect(body, instead, functions) for body in bodies]


def _assemble(sections: Mapping[int, bytes]) -> bytes:
    return HEADER + b"".join(bytes([section]) + sized(sections[section]) for section in ORDER if section in sections)
