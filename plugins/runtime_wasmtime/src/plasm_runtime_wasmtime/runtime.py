"""The contract :class:`plasm.contracts.Runtime`, kept with Wasmtime."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

import wasmtime
from wasmtime import InstancePre, Module, WasmtimeError

from plasm.contracts.runtime import Call, CompiledModule, Execution, Terms
from plasm.errors import InvalidModule
from plasm.model import Feature, LimitKind
from plasm_runtime_wasmtime.engine import REVISION, Flavour, make_engine
from plasm_runtime_wasmtime.execution import run
from plasm_runtime_wasmtime.wasi import Wasi


class Host:
    """An engine and what its guests import, for one flavour of code."""

    def __init__(self, flavour: Flavour) -> None:
        self.engine = make_engine(flavour)
        if flavour.deterministic:
            from plasm_runtime_wasmtime.deterministic import DeterministicWasi

            self.wasi: Wasi = DeterministicWasi(self.engine)
        else:
            self.wasi = Wasi(self.engine)


class Compiled:
    """A module and, with its imports resolved, what its instances are made from."""

    def __init__(self, host: Host, module: Module, prepared: InstancePre) -> None:
        self.host = host
        self.module = module
        self.prepared = prepared


class WasmtimeRuntime:
    """Runs WASI preview 1 commands, one at a time, in the process that made it."""

    name = "wasmtime"
    enforces = frozenset({LimitKind.MEMORY, LimitKind.FUEL})
    provides = frozenset(Feature)

    def __init__(self) -> None:
        self._hosts: dict[Flavour, Host] = {}

    @cached_property
    def version(self) -> str:
        """The installed distribution's, from its folder's name.

        Asking ``importlib.metadata`` would take longer than the first job.
        """
        beside = Path(wasmtime.__file__).parents[1]
        for installed in beside.glob("wasmtime-*.dist-info"):
            return installed.name.removeprefix("wasmtime-").removesuffix(".dist-info")
        return "unknown"

    def artifact_key(self, terms: Terms) -> str:
        """Processor features are missing from it: artifacts carry them, and the engine refuses to load those that
        this processor lacks."""
        system = os.uname()
        flavour = Flavour.of(terms)
        return f"wasmtime-{self.version}-{system.sysname}-{system.machine}-r{REVISION}-{flavour}".lower()

    def compile(self, module: bytes, terms: Terms) -> CompiledModule:
        """See the contract."""
        from plasm_runtime_wasmtime.compiling import compile_command

        host = self._host(terms)
        return Compiled(host, *compile_command(module, host.engine, host.wasi.linker))

    def dump(self, compiled: CompiledModule) -> bytes:
        """See the contract."""
        assert isinstance(compiled, Compiled)
        return bytes(compiled.module.serialize())

    def load(self, artifact: bytes, terms: Terms) -> CompiledModule:
        """See the contract."""
        host = self._host(terms)
        try:
            module = Module.deserialize(host.engine, artifact)
            return Compiled(host, module, host.wasi.linker.instantiate_pre(module))
        except WasmtimeError as error:
            raise InvalidModule(f"the compiled artifact cannot be used: {error}") from None

    def execute(self, compiled: CompiledModule, call: Call, terms: Terms) -> Execution:
        """See the contract."""
        assert isinstance(compiled, Compiled)
        return run(compiled.host.engine, compiled.host.wasi, compiled.prepared, call, terms)

    def interrupt(self) -> None:
        """See the contract.

        Ends a guest that computes, in a start section too; not one that sleeps or waits in a host function.
        """
        for host in self._hosts.values():
            host.engine.increment_epoch()

    def _host(self, terms: Terms) -> Host:
        flavour = Flavour.of(terms)
        if flavour not in self._hosts:
            self._hosts[flavour] = Host(flavour)
        return self._hosts[flavour]
