"""Functions as values: where a module puts them into tables and globals before it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from plasm_runtime_wasmer.binary import Reader, malformed, refused, u32
from plasm_runtime_wasmer.sections import REFERENCES, value_type

_FUNCREF, _END = 0x70, 0x0B
_FUNCTION_REFERENCE, _NULL, _F32, _F64, _VECTOR = 0xD2, 0xD0, 0x43, 0x44, 0xFD
_NUMBERED = frozenset({0x23, 0x41, 0x42})  # global.get, i32.const, i64.const
_SUMS = frozenset({0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E})
_PASSIVE, _OTHER_TABLE, _EXPRESSIONS = 1, 2, 4


class References:
    """Goes through one section and puts the functions that ``instead`` names in the place of others.

    Every method raises :class:`InvalidModule` for bytes that are no such section.  ``functions`` is how many the module
    has.
    """

    def __init__(self, content: bytes, instead: Mapping[int, int], functions: int) -> None:
        self._content = content
        self._reader = Reader(content)
        self._instead = instead
        self._functions = functions
        self._kept: list[bytes] = []
        self._done = 0

    def elements(self) -> bytes:
        """The section of elements, as it is to be."""
        return self._all(self._segment)

    def globals(self) -> bytes:
        """The section of globals, as it is to be."""
        return self._all(self._global)

    def _all(self, item: Callable[[], None]) -> bytes:
        self._reader.vector(item)
        if self._reader:
            raise malformed("a section is longer than what is in it")
        return b"".join([*self._kept, self._content[self._done :]])

    def _segment(self) -> None:
        reader = self._reader
        flags = reader.u32()
        if flags > _PASSIVE | _OTHER_TABLE | _EXPRESSIONS:
            raise malformed("elements of no known kind")
        if not flags & _PASSIVE:
            if flags & _OTHER_TABLE:
                reader.u32()
            self._expression()
        if flags & (_PASSIVE | _OTHER_TABLE):
            kind = reader.byte()
            if kind != (_FUNCREF if flags & _EXPRESSIONS else 0):
                raise refused(REFERENCES)
        reader.vector(self._expression if flags & _EXPRESSIONS else self._function)

    def _global(self) -> None:
        value_type(self._reader)
        self._reader.byte()
        self._expression()

    def _function(self) -> None:
        before = self._reader.position
        function = self._reader.u32()
        if function >= self._functions:
            raise malformed("it refers to a function that is not there")
        if function in self._instead:
            self._kept += [self._content[self._done : before], u32(self._instead[function])]
            self._done = self._reader.position

    def _expression(self) -> None:
        reader = self._reader
        while (instruction := reader.byte()) != _END:
            if instruction == _FUNCTION_REFERENCE:
                self._function()
            elif instruction in _NUMBERED:
                reader.skip_number()
            elif instruction == _NULL:
                if reader.byte() != _FUNCREF:
                    raise refused(REFERENCES)
            elif instruction in {_F32, _F64}:
                reader.take(4 if instruction == _F32 else 8)
            elif instruction == _VECTOR:
                reader.take(17)
            elif instruction not in _SUMS:
                raise malformed(f"there is no constant instruction {instruction:#x}")
