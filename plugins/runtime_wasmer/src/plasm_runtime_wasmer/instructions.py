"""The bodies of functions: that they hold the instructions that jobs get and no others, and which functions they call.

Types are the engine's to check.  The engine takes more kinds of instructions than jobs get; where a module uses one,
another runtime would refuse what this one runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from plasm.errors import InvalidModule
from plasm_runtime_wasmer.binary import Reader, malformed, refused, u32
from plasm_runtime_wasmer.sections import value_type

_CALL, _BRANCH_TABLE, _FUNCTION_REFERENCE = 0x10, 0x0E, 0xD2
_MISCELLANEOUS, _VECTOR = 0xFC, 0xFD

# All instructions but those three, which take more than a pattern.  N is a number in LEB128, M an alignment: from 64 on
# it would mean that the number of a memory follows, and jobs have one memory.
_PLAIN = re.compile(
    rb"""(?:
      [\x00\x01\x05\x0B\x0F\x1A\x1B\x45-\xC4\xD1]                                   # without operands
    | [\x02-\x04] (?: [\x00-\x3F\x40\x70\x7B-\x7F] | [\x80-\xFF]{1,4}[\x00-\x7F] )   # block, loop, if
    | [\x0C\x0D\x20-\x26\x41\x42] N                                                  # branches, variables, constants
    | \x43 .{4} | \x44 .{8}                                                           # constants
    | \x11 N N | [\x28-\x3E] M N                                                      # call_indirect, loads, stores
    | [\x3F\x40] \x00                                                                 # memory.size, memory.grow
    | \x1C \x01 [\x70\x7B-\x7F]                                                       # select
    | \xD0 \x70                                                                       # ref.null func
    | \xFC (?: [\x00-\x07] | [\x09\x0D\x0F-\x11] N | [\x0C\x0E] N N                   # conversions, tables
             | \x08 N \x00 | \x0A \x00 \x00 | \x0B \x00 )                              # memory
    | \xFD (?: [\x00-\x0B\x5C\x5D] M N | [\x0C\x0D] .{16} | [\x15-\x22] . | [\x54-\x5B] M N .
             | [\x0E-\x14\x23-\x53\x5E-\x7F] | [\x80-\xFF] \x01 )
    )*+""".replace(b"M", rb"(?:[\x00-\x3F]|[\x80-\xBF]\x80{0,3}\x00)").replace(b"N", rb"[\x80-\xFF]{0,9}[\x00-\x7F]"),
    re.VERBOSE | re.DOTALL,
)
_PROPOSALS = (
    (b"\x06\x07\x08\x09\x0a\x18\x19\x1f", "exception handling"),
    (b"\x12\x13", "tail calls"),
    (b"\x14\x15\xd3\xd4\xd5\xd6", "typed function references"),
    (b"\x1c\xd0\xfb", "garbage collection or external references"),
    (b"\xfe", "threads and shared memory"),
    (b"\xe0\xe1\xe2\xe3\xe4\xe5\xe6", "stack switching"),
)
_WIDE_ARITHMETIC, _RELAXED_SIMD = range(0x13, 0x17), range(0x100, 0x200)


def redirect(body: bytes, instead: Mapping[int, int], functions: int) -> bytes:
    """``body`` with the functions that it calls or refers to replaced by those that ``instead`` names for them.

    ``functions`` is how many the module has: a later one is not its to call, though something may be added there.

    Raises:
        InvalidModule: an instruction that jobs do not get, or none at all.
    """
    reader, kept, done = Reader(body), list[bytes](), 0
    reader.vector(lambda: (reader.u32(), value_type(reader)))
    while True:
        found = _PLAIN.match(body, reader.position)
        reader.position = found.end() if found else reader.position
        if not reader:
            return b"".join([*kept, body[done:]])
        instruction = reader.byte()
        if instruction == _BRANCH_TABLE:
            reader.vector(reader.u32)
            reader.u32()
        elif instruction in {_CALL, _FUNCTION_REFERENCE}:
            before = reader.position
            function = reader.u32()
            if function >= functions:
                raise malformed("it calls a function that is not there")
            if function in instead:
                kept += [body[done:before], u32(instead[function])]
                done = reader.position
        else:
            raise _unknown(instruction, reader)


def _unknown(instruction: int, reader: Reader) -> InvalidModule:
    if instruction in {_MISCELLANEOUS, _VECTOR}:
        number = reader.u32()
        if instruction == _MISCELLANEOUS and number in _WIDE_ARITHMETIC:
            return refused("wide arithmetic")
        if instruction == _VECTOR and number in _RELAXED_SIMD:
            return refused("relaxed SIMD")
    for instructions, proposal in _PROPOSALS:
        if instruction in instructions:
            return refused(proposal)
    return malformed(f"there is no instruction {instruction:#x} as it is used")
