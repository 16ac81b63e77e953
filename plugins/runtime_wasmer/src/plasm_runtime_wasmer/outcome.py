"""Why a guest stopped, in the words of the model, from the words of the SDK."""

from __future__ import annotations

import re

from plasm.model import Outcome, OutcomeKind, TrapKind
from plasm_runtime_wasmer.adapting import CODE_BITS

_TRAPS = {
    "unreachable": TrapKind.UNREACHABLE,
    "call stack exhausted": TrapKind.STACK_OVERFLOW,
    "out of bounds memory access": TrapKind.MEMORY_OUT_OF_BOUNDS,
    "undefined element: out of bounds table access": TrapKind.TABLE_OUT_OF_BOUNDS,
    "uninitialized element": TrapKind.INDIRECT_CALL_TO_NULL,
    "indirect call type mismatch": TrapKind.INDIRECT_CALL_TYPE_MISMATCH,
    "integer overflow": TrapKind.INTEGER_OVERFLOW,
    "integer divide by zero": TrapKind.INTEGER_DIVISION_BY_ZERO,
    "invalid conversion to integer": TrapKind.INVALID_CONVERSION,
}
_TRAPPED = re.compile(r"RuntimeError: ([^\n]*)")
_FUNCTION = re.compile(r"\(<module>\[(\d+)\]:0x[0-9a-f]+\)")
_NO_ROOM = re.compile(r"Insufficient resources|[Cc]ould not allocate|out of memory|mmap", re.ASCII)


def of_failure(message: str, exit_function: int | None) -> Outcome | None:
    """The outcome of a guest that neither returned nor exited by the SDK's ``message``, if that tells one;
    ``exit_function`` is what takes the place of ``proc_exit`` in its module."""
    trapped = _TRAPPED.search(message)
    if trapped is None:
        return Outcome(OutcomeKind.OUT_OF_MEMORY) if _NO_ROOM.search(message) else None
    kind = _TRAPS.get(trapped[1], TrapKind.OTHER)
    if kind is TrapKind.UNREACHABLE and exit_function is not None:
        code = _spelled([int(index) for index in _FUNCTION.findall(message)], exit_function)
        if code is not None:
            return Outcome.exited(code)
    return Outcome.trapped(kind)


def _spelled(functions: list[int], exit_function: int) -> int | None:
    """The exit code that these functions spell, the innermost for the highest bit; see :mod:`.adapting`."""
    zero, one = exit_function + 1, exit_function + 2
    digits, rest = functions[:CODE_BITS], functions[CODE_BITS : CODE_BITS + 2]
    if rest != [zero, exit_function] or not {zero, one}.issuperset(digits):
        return None
    return int("".join("1" if digit == one else "0" for digit in digits), 2)
