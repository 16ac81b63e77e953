"""The engine: which WebAssembly it takes, and the bounds of what a stranger's module can make it allocate.

Taken is what toolchains for WASI preview 1 emit: the first version of WebAssembly with mutable globals, sign
extension, saturating conversions, multiple values, bulk memory, function references in tables, 128-bit SIMD,
tail calls and extended constants.  Refused is what would go round the memory limit, bring in a second thread or
make two machines disagree.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from wasmtime import Config, Engine, Store

from plasm.contracts.runtime import Terms

REVISION = 2
"""To be raised with every change in :func:`make_engine` that changes the code it generates."""

_INSTANCES = 1
_MEMORIES = 1
_TABLES = 4
_TABLE_ELEMENTS = 1_000_000

_REFUSED = (
    ("threads", "threads and shared memory"),
    ("memory64", "64-bit memories"),
    ("multiple memories", "multiple memories"),
    ("multi-memory", "multiple memories"),
    ("relaxed simd", "relaxed SIMD"),
    ("exceptions", "exception handling"),
    ("function references", "typed function references"),
    ("wide arithmetic", "wide arithmetic"),
    ("custom page sizes", "custom page sizes"),
    ("stack switching", "stack switching"),
    ("gc", "garbage collection or external references"),
)


class Flavour(NamedTuple):
    """How code is compiled.  Both cost speed, so a job gets only what its terms call for."""

    counts_fuel: bool
    deterministic: bool

    @classmethod
    def of(cls, terms: Terms) -> Self:
        """What a job on these terms needs."""
        return cls(terms.limits.fuel is not None, terms.determinism is not None)

    def __str__(self) -> str:
        return ("fuel" if self.counts_fuel else "plain") + ("-deterministic" if self.deterministic else "")


def make_engine(flavour: Flavour) -> Engine:
    """An engine whose guests can be interrupted by its epoch, and by running out of fuel if that is counted."""
    config = Config()
    config.epoch_interruption = True
    # It would keep each module's first memory in a file of its own, which counts as one that the job writes.
    config.memory_init_cow = False
    config.consume_fuel = flavour.counts_fuel
    # Which of its many NaNs an operation gives differs from processor to processor.
    config.cranelift_nan_canonicalization = flavour.deterministic
    config.wasm_threads = False
    config.shared_memory = False
    config.wasm_memory64 = False
    config.wasm_multi_memory = False
    config.wasm_relaxed_simd = False
    config.wasm_exceptions = False
    config.wasm_function_references = False
    config.wasm_gc = False
    config.gc_support = False
    config.wasm_wide_arithmetic = False
    config.wasm_custom_page_sizes = False
    config.wasm_stack_switching = False
    config.wasm_component_model = False
    return Engine(config)


def bound(store: Store, memory: int) -> None:
    """Limit what the instances of ``store`` can allocate, ``memory`` bytes of linear memory among it."""
    store.set_limits(memory, _TABLE_ELEMENTS, _INSTANCES, _TABLES, _MEMORIES)


def refused_proposal(reason: str) -> str | None:
    """The proposal that the engine's ``reason`` to reject a module comes from, if it comes from one."""
    words = f" {reason.lower()} "
    return next((name for mark, name in _REFUSED if f" {mark} " in words), None)
