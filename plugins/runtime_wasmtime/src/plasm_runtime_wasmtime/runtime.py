"""The contract :class:`plasm.contracts.Runtime`, kept with Wasmtime."""

from __future__ import annotations

import platform
from functools import cached_property
from pathlib import Path

import wasmtime
from attrs import evolve, frozen
from plasm.contracts import Call, CompiledModule, Execution
from plasm.errors import InvalidModule, LimitNotEnforceable
from plasm.model import LimitKind, Limits, Outcome, OutcomeKind
from wasmtime import InstancePre, Module, WasmtimeError

from plasm_runtime_wasmtime.command import check_start, link
from plasm_runtime_wasmtime.engine import REVISION, make_engine, refused_proposal
from plasm_runtime_wasmtime.execution import run
from plasm_runtime_wasmtime.header import check_header
from plasm_runtime_wasmtime.job import Job
from plasm_runtime_wasmtime.text import root_cause
from plasm_runtime_wasmtime.wasi import Wasi


@frozen(eq=False)
class Host:
    """An engine and what its guests import.  There are two: counting fuel slows all code down by a twentieth."""

    engine: wasmtime.Engine
    wasi: Wasi
    counts_fuel: bool


@frozen(eq=False)
class Compiled:
    """A module with its imports resolved."""

    host: Host
    module: Module
    prepared: InstancePre


class WasmtimeRuntime:
    """Runs WASI preview 1 commands, one at a time, in the process that made it."""

    name = "wasmtime"
    enforces = frozenset({LimitKind.MEMORY, LimitKind.FUEL})

    def __init__(self) -> None:
        self._hosts: dict[bool, Host] = {}
        self._job: Job | None = None
        self._interrupted = False

    @cached_property
    def version(self) -> str:
        """The installed distribution's, read from its folder's name: ``importlib.metadata`` takes longer to
        import than a job takes to run."""
        beside = Path(wasmtime.__file__).parents[1]
        for installed in beside.glob("wasmtime-*.dist-info"):
            return installed.name.removeprefix("wasmtime-").removesuffix(".dist-info")
        from importlib.metadata import version

        return version("wasmtime")

    @cached_property
    def _platform(self) -> str:
        return f"wasmtime-{self.version}-{platform.system()}-{platform.machine()}-r{REVISION}".lower()

    def artifact_key(self, limits: Limits) -> str:
        """Processor features are missing from it: artifacts carry them, and :meth:`load` refuses those that this
        processor lacks."""
        return f"{self._platform}-plain" if limits.fuel is None else f"{self._platform}-fuel"

    def compile(self, module: bytes, limits: Limits) -> CompiledModule:
        """See the contract."""
        check_header(module)
        host = self._host(limits)
        try:
            compiled = Module(host.engine, module)
        except WasmtimeError as error:
            raise _rejected(str(error)) from None
        prepared = link(compiled, host.wasi.linker)
        check_start(compiled)
        return Compiled(host, compiled, prepared)

    def dump(self, compiled: CompiledModule) -> bytes:
        """See the contract."""
        assert isinstance(compiled, Compiled)
        return bytes(compiled.module.serialize())

    def load(self, artifact: bytes, limits: Limits) -> CompiledModule:
        """See the contract."""
        host = self._host(limits)
        try:
            module = Module.deserialize(host.engine, artifact)
        except WasmtimeError as error:
            raise InvalidModule(f"the compiled artifact cannot be used: {root_cause(str(error))}") from None
        return Compiled(host, module, link(module, host.wasi.linker))

    def execute(self, compiled: CompiledModule, call: Call, limits: Limits) -> Execution:
        """See the contract.  The engine opens ``call``'s outputs anew by their ``/proc`` paths: they are to be
        pipes or devices, and a file is emptied first."""
        assert isinstance(compiled, Compiled)
        host = compiled.host
        if limits.fuel is not None and not host.counts_fuel:
            raise LimitNotEnforceable("the module was compiled without counting fuel")
        job = Job(host.engine)
        self._job = host.wasi.job = job
        if self._interrupted:
            job.stop()
        try:
            execution = run(compiled.prepared, call, limits, job)
        finally:
            self._job = host.wasi.job = None
        return evolve(execution, outcome=Outcome(OutcomeKind.CANCELLED)) if job.stopped else execution

    def interrupt(self) -> None:
        """See the contract.  It ends guests that compute, sleep or wait for input; not those that wait for a
        reader of their output, or inside a file operation that hangs."""
        self._interrupted = True
        job = self._job
        if job is not None:
            job.stop()

    def _host(self, limits: Limits) -> Host:
        counts_fuel = limits.fuel is not None
        if counts_fuel not in self._hosts:
            engine = make_engine(counts_fuel=counts_fuel)
            self._hosts[counts_fuel] = Host(engine, Wasi(engine), counts_fuel)
        return self._hosts[counts_fuel]


def _rejected(message: str) -> InvalidModule:
    reason = root_cause(message)
    proposal = refused_proposal(reason)
    if proposal is not None:
        return InvalidModule(
            f"the module uses {proposal}, which jobs do not get ({reason})",
            hint="compile for wasm32-wasip1 without that feature",
        )
    if "limit" in reason or "too large" in reason or "too many" in reason:
        return InvalidModule(f"the module is too complex: {reason}", hint="split its largest functions")
    return InvalidModule(f"the module is malformed: {reason}", hint="compile or download it again")
