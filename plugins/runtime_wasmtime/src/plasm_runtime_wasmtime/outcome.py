"""Why a guest stopped, in the words of the model."""

from __future__ import annotations

import re

from wasmtime import Trap, TrapCode, WasmtimeError

from plasm.model import Outcome, OutcomeKind, TrapKind

_TRAPS = {
    TrapCode.UNREACHABLE: TrapKind.UNREACHABLE,
    TrapCode.STACK_OVERFLOW: TrapKind.STACK_OVERFLOW,
    TrapCode.MEMORY_OUT_OF_BOUNDS: TrapKind.MEMORY_OUT_OF_BOUNDS,
    TrapCode.TABLE_OUT_OF_BOUNDS: TrapKind.TABLE_OUT_OF_BOUNDS,
    TrapCode.INDIRECT_CALL_TO_NULL: TrapKind.INDIRECT_CALL_TO_NULL,
    TrapCode.BAD_SIGNATURE: TrapKind.INDIRECT_CALL_TYPE_MISMATCH,
    TrapCode.INTEGER_OVERFLOW: TrapKind.INTEGER_OVERFLOW,
    TrapCode.INTEGER_DIVISION_BY_ZERO: TrapKind.INTEGER_DIVISION_BY_ZERO,
    TrapCode.BAD_CONVERSION_TO_INTEGER: TrapKind.INVALID_CONVERSION,
}
_ENDS = {TrapCode.OUT_OF_FUEL: OutcomeKind.OUT_OF_FUEL, TrapCode.INTERRUPT: OutcomeKind.CANCELLED}
_ALLOCATION_REFUSED = re.compile(r"exceeds (memory|table) limits|resource limit exceeded|mmap failed|out of memory")


def of_failure(failure: Trap | WasmtimeError) -> Outcome:
    """The outcome of a guest that neither returned nor exited."""
    if isinstance(failure, Trap):
        code = _code(failure)
        if code in _ENDS:
            return Outcome(_ENDS[code])
        return Outcome.trapped(_TRAPS.get(code, TrapKind.OTHER) if code else TrapKind.OTHER)
    if _ALLOCATION_REFUSED.search(str(failure)):
        return Outcome(OutcomeKind.OUT_OF_MEMORY)
    return Outcome.trapped(TrapKind.OTHER)


def _code(trap: Trap) -> TrapCode | None:
    try:
        return trap.trap_code
    except ValueError:  # newer than the Python layer
        return None
