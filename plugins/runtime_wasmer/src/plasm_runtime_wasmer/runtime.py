"""The contract :class:`plasm.contracts.Runtime`, kept with the Wasmer SDK."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import wasmer_sdk

from plasm.contracts.runtime import Call, CompiledModule, Execution, Terms
from plasm.model import Feature, LimitKind
from plasm.model.limits import WASM_PAGE_BYTES
from plasm_runtime_wasmer.compiling import REVISION, ClientBroken, Compiled, compile_command, dump, load
from plasm_runtime_wasmer.execution import Interruption, run
from plasm_runtime_wasmer.sdk import make_client


class WasmerRuntime:
    """Runs WASI preview 1 commands, one at a time, in the process that made it."""

    name = "wasmer"
    enforces = frozenset({LimitKind.MEMORY})
    provides = frozenset[Feature]()

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._interruption = Interruption()

    @cached_property
    def version(self) -> str:
        """The installed distribution's, from its folder's name.

        Asking ``importlib.metadata`` would take longer than a job.
        """
        beside = Path(wasmer_sdk.__file__).parents[1]
        for installed in beside.glob("wasmer_sdk-*.dist-info"):
            return installed.name.removeprefix("wasmer_sdk-").removesuffix(".dist-info")
        return "unknown"

    @cached_property
    def _client(self) -> wasmer_sdk.Wasmer:
        # Made for the first module: its threads must be confined, as the worker is by then.
        return make_client(self._cache_dir)

    def artifact_key(self, terms: Terms) -> str:
        """An artifact holds the memory limit."""
        return f"wasmer-{self.version}-r{REVISION}-p{_pages(terms)}"

    def compile(self, module: bytes, terms: Terms) -> CompiledModule:
        """See the contract."""
        return self._compiled(compile_command, module, _pages(terms))

    def dump(self, compiled: CompiledModule) -> bytes:
        """See the contract.  It is the module, as adapted; the SDK does not give away the code that it compiles."""
        assert isinstance(compiled, Compiled)
        return dump(compiled)

    def load(self, artifact: bytes, terms: Terms) -> CompiledModule:
        """See the contract."""
        return self._compiled(load, artifact)

    def execute(self, compiled: CompiledModule, call: Call, terms: Terms) -> Execution:
        """See the contract."""
        assert isinstance(compiled, Compiled)
        return run(compiled, call, self._interruption)

    def interrupt(self) -> None:
        """See the contract.

        The job ends at once for the executor; one that only computes holds a thread until the process ends.
        """
        self._interruption.ask()

    def _compiled(self, way: Callable[..., Compiled], *given: object) -> Compiled:
        try:
            return way(self._client, *given)
        except ClientBroken:
            del self._client
            raise


def _pages(terms: Terms) -> int:
    return terms.limits.memory // WASM_PAGE_BYTES
