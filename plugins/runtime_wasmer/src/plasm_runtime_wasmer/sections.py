"""What a module is made of, read strictly: any bytes give a :class:`Module` or :class:`InvalidModule`.

Read is what decides whether a module can be a job and what has to be adapted in it.  The engine looks at everything
again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from plasm_runtime_wasmer.binary import Reader, malformed, refused

HEADER = b"\0asm\x01\0\0\0"
CUSTOM, TYPES, IMPORTS, FUNCTIONS, TABLES, MEMORIES, GLOBALS, EXPORTS, START, ELEMENTS, CODE, DATA, DATA_COUNT, TAGS = (
    range(14)
)
ORDER = (TYPES, IMPORTS, FUNCTIONS, TABLES, MEMORIES, TAGS, GLOBALS, EXPORTS, START, ELEMENTS, DATA_COUNT, CODE, DATA)
FUNCTION, TABLE, MEMORY, GLOBAL, TAG = range(5)
REFERENCES = "garbage collection or external references"

_FUNCTION_TYPE, _FUNCREF = 0x60, 0x70
_VALUE_TYPES = frozenset(b"\x7f\x7e\x7d\x7c\x7b\x70")
_OTHER_TYPES = {
    0x5D: "stack switching",
    0x63: "typed function references",
    0x64: "typed function references",
    0x69: "exception handling",
}
_MAX_PAGES = 2**16
_BOUNDED, _SHARED, _64_BITS, _PAGE_SIZE = 1, 2, 4, 8

T = TypeVar("T")


class FunctionType(NamedTuple):
    """Parameters and results, a byte each."""

    parameters: bytes
    results: bytes


class Import(NamedTuple):
    """What a module asks for; ``type`` is the index of a function's type, and ``None`` for all that is no function."""

    space: str
    name: str
    type: int | None


class Export(NamedTuple):
    """What a module gives a name to."""

    name: str
    kind: int
    target: int


class Size(NamedTuple):
    """How large a memory (in pages) or a table (in elements) is and may become."""

    least: int
    most: int | None


class Module(NamedTuple):
    """``sections`` are all but the custom ones, as they are in the file; ``functions`` has their types' indices."""

    sections: Mapping[int, bytes]
    types: Sequence[FunctionType]
    imports: Sequence[Import]
    functions: Sequence[int]
    tables: Sequence[Size]
    memories: Sequence[Size]
    exports: Sequence[Export]
    start: int | None

    @property
    def function_types(self) -> Sequence[int]:
        """The types' indices of all functions, the imported ones first."""
        return [item.type for item in self.imports if item.type is not None] + list(self.functions)


def read(data: bytes) -> Module:
    """The module in ``data``.

    Raises:
        InvalidModule: malformed, or made for features that jobs do not get.
    """
    sections = _split(data)
    if TAGS in sections:
        raise refused("exception handling")

    def items(section: int, item: Callable[[Reader], T]) -> list[T]:
        reader = Reader(sections.get(section, b"\0"))
        found = reader.vector(lambda: item(reader))
        if reader:
            raise malformed("a section is longer than what is in it")
        return found

    types = items(TYPES, _function_type)
    memories = items(MEMORIES, _memory)
    if len(memories) > 1:
        raise refused("multiple memories")
    module = Module(
        sections,
        types,
        items(IMPORTS, _import),
        items(FUNCTIONS, Reader.u32),
        items(TABLES, _table),
        memories,
        items(EXPORTS, lambda reader: Export(reader.name(), reader.byte(), reader.u32())),
        Reader(sections[START]).u32() if START in sections else None,
    )
    _check_indices(module)
    return module


def _split(data: bytes) -> dict[int, bytes]:
    """The sections by their number; what the custom ones hold means nothing to a job and is left out."""
    if not data.startswith(HEADER):
        raise malformed("it does not start as a module does")
    reader, sections, last = Reader(data), dict[int, bytes](), -1
    reader.take(len(HEADER))
    while reader:
        section = reader.byte()
        content = reader.take(reader.u32())
        if section == CUSTOM:
            Reader(content).name()
        elif section not in ORDER:
            raise malformed(f"there is no section {section}")
        elif ORDER.index(section) <= last:
            raise malformed("its sections are out of order")
        else:
            last = ORDER.index(section)
            sections[section] = content
    return sections


def _check_indices(module: Module) -> None:
    types = module.function_types
    if any(index >= len(module.types) for index in types):
        raise malformed("a function has a type that is not there")
    if module.start is not None and module.start >= len(types):
        raise malformed("it starts with a function that is not there")
    globals_ = Reader(module.sections.get(GLOBALS, b"\0")).u32()
    there = {FUNCTION: len(types), TABLE: len(module.tables), MEMORY: len(module.memories), GLOBAL: globals_}
    if any(item.target >= there.get(item.kind, 0) for item in module.exports):
        raise malformed("it exports what is not there")
    if len({item.name for item in module.exports}) < len(module.exports):
        raise malformed("it exports two things by one name")


def _function_type(reader: Reader) -> FunctionType:
    form = reader.byte()
    if form != _FUNCTION_TYPE:
        raise refused(_OTHER_TYPES.get(form, REFERENCES))
    parameters, results = (bytes(reader.vector(lambda: value_type(reader))) for _ in range(2))
    return FunctionType(parameters, results)


def value_type(reader: Reader) -> int:
    """One value type of those that jobs get."""
    found = reader.byte()
    if found not in _VALUE_TYPES:
        raise refused(_OTHER_TYPES.get(found, REFERENCES))
    return found


def _import(reader: Reader) -> Import:
    space, name, kind = reader.name(), reader.name(), reader.byte()
    if kind == FUNCTION:
        return Import(space, name, reader.u32())
    if kind == TABLE:
        _table(reader)
    elif kind == MEMORY:
        _memory(reader)
    elif kind == GLOBAL:
        value_type(reader)
        reader.byte()
    elif kind == TAG:
        raise refused("exception handling")
    else:
        raise malformed("an import is of no known kind")
    return Import(space, name, None)


def _table(reader: Reader) -> Size:
    if reader.byte() != _FUNCREF:
        raise refused(REFERENCES)
    return _size(reader)


def _memory(reader: Reader) -> Size:
    size = _size(reader)
    if max(size.least, size.most or 0) > _MAX_PAGES:
        raise malformed("a memory is larger than its addresses reach")
    return size


def _size(reader: Reader) -> Size:
    flags = reader.byte()
    for flag, proposal in (
        (_SHARED, "threads and shared memory"),
        (_64_BITS, "64-bit memories"),
        (_PAGE_SIZE, "custom page sizes"),
    ):
        if flags & flag:
            raise refused(proposal)
    if flags > _BOUNDED:
        raise malformed("a size has unknown flags")
    size = Size(reader.u32(), reader.u32() if flags & _BOUNDED else None)
    if size.most is not None and size.most < size.least:
        raise malformed("a size begins larger than it may become")
    return size
