"""Seccomp: the kernel asks a filter about every system call of a process.  See seccomp(2).

The filter is a program in classic BPF, made here of the rules in :mod:`.system_calls`: a search tree over ranges of
numbers, so that a call costs some eight steps, with the checks of arguments as its leaves.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping
from functools import cache
from itertools import chain
from typing import Final

from plasm.execution.worker.confinement.kernel import call, libc
from plasm.execution.worker.confinement.system_calls import (
    AARCH64,
    NEWEST_DENIED,
    X86_64,
    Machine,
    Rule,
    Verdict,
    verdicts,
)

_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_PR_GET_SECCOMP: Final = 21

_MACHINES: Final[Mapping[str, Machine]] = {"x86_64": X86_64, "aarch64": AARCH64}
_ARCHITECTURES: Final[Mapping[Machine, int]] = {
    X86_64: 0xC000003E,
    AARCH64: 0xC00000B7,
}  # AUDIT_ARCH_… of linux/audit.h
_SECCOMP: Final[Mapping[Machine, int]] = {X86_64: 317, AARCH64: 277}

# Classic BPF: load a word of seccomp_data, mask it, compare, return.
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000

_Instruction = tuple[int, int, int, int]  # code, how many to skip if true, how many if not, operand


@cache
def available() -> bool:
    """Whether this kernel filters system calls, and which numbers they have on this machine is known."""
    return os.uname().machine in _MACHINES and libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


def restrict(*, writes_files: bool, truncation_governed: bool) -> None:
    """Leave every thread of this process the calls of :func:`.system_calls.verdicts` for good.

    Raises:
        OSError: the kernel refuses.
    """
    calls = verdicts(machine(), os.getpid(), writes_files=writes_files, truncation_governed=truncation_governed)
    filter_ = program(machine(), calls)
    code = ctypes.create_string_buffer(filter_, len(filter_))
    argument = struct.pack("@HP", len(filter_) // 8, ctypes.addressof(code))
    call(_SECCOMP[machine()], ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(_ALL_THREADS), argument)


def machine() -> Machine:
    """The architecture of this machine, one of those that are known."""
    return _MACHINES[os.uname().machine]


def program(machine: Machine, calls: Mapping[int, Verdict]) -> bytes:
    """The filter that keeps a process on ``machine`` to ``calls``, as the kernel takes it."""
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        # A processor understands calls of other architectures too, by other numbers.
        *_leaf(errno.EPERM),
        (_LOAD, 0, 0, _NUMBER),
        *_search(_ranges(calls)),
    ]
    return struct.pack("=" + "HBBI" * len(steps), *chain.from_iterable(steps))


def _ranges(calls: Mapping[int, Verdict]) -> list[tuple[int, Verdict]]:
    """The first number of each range of calls with the same verdict, and the verdict."""
    ranges: list[tuple[int, Verdict]] = [(0, errno.EPERM)]
    for number in sorted({*calls, *(number + 1 for number in calls), NEWEST_DENIED + 1}):
        verdict = calls.get(number, errno.EPERM if number <= NEWEST_DENIED else errno.ENOSYS)
        if number == 0:
            ranges[0] = (0, verdict)
        elif verdict != ranges[-1][1]:
            ranges.append((number, verdict))
    return ranges


def _search(ranges: list[tuple[int, Verdict]]) -> list[_Instruction]:
    if len(ranges) == 1:
        return _leaf(ranges[0][1])
    middle = len(ranges) // 2
    below = _search(ranges[:middle])
    return [(_AT_LEAST, len(below), 0, ranges[middle][0]), *below, *_search(ranges[middle:])]


def _leaf(verdict: Verdict) -> list[_Instruction]:
    if isinstance(verdict, int):
        return [(_RETURN, 0, 0, _FAIL | verdict)]
    return [*_checks(verdict), (_RETURN, 0, 0, _ALLOW)]


def _checks(rule: Rule) -> list[_Instruction]:
    """Goes on behind itself where ``rule`` holds, and returns a failure where not."""
    steps: list[_Instruction] = []
    for argument, values, mask in rule:
        steps += [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument), (_AND, 0, 0, mask)]
        steps += [(_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
        steps += _leaf(errno.EPERM)
    return steps
