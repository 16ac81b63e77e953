"""A machine for classic BPF as far as seccomp filters use it, so that filters for every architecture can be tried here.

It refuses what the kernel refuses: jumps out of the program, backwards jumps, a program that does not return.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

ALLOW = 0x7FFF0000
FAIL = 0x00050000

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_MOST_INSTRUCTIONS = 4096


def outcome(program: bytes, architecture: int, number: int, arguments: Sequence[int] = ()) -> int:
    """What the filter answers when a process on ``architecture`` makes the system call ``number``."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *(argument % 2**64 for argument in padded))
    steps = list(struct.iter_unpack("=HBBI", program))
    assert 0 < len(steps) <= _MOST_INSTRUCTIONS
    accumulator = at = 0
    while True:
        code, then, otherwise, operand = steps[at]
        at += 1
        if code == _LOAD:
            assert operand % 4 == 0
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == _AND:
            accumulator &= operand
        elif code == _EQUAL:
            at += then if accumulator == operand else otherwise
        elif code == _AT_LEAST:
            at += then if accumulator >= operand else otherwise
        elif code == _RETURN:
            return operand
        else:
            raise AssertionError(f"no such instruction: {code:#x}")
