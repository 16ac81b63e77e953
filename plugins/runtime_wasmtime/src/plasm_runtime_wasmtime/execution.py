"""One job, from its store to its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from wasmtime import Engine, InstancePre, Store, Trap, WasiConfig, WasmtimeError

from plasm.contracts.runtime import Call, Execution, Terms
from plasm.errors import PluginError, UnreadableInput
from plasm.model import Outcome
from plasm_runtime_wasmtime import capi
from plasm_runtime_wasmtime.engine import bound
from plasm_runtime_wasmtime.outcome import of_failure

if TYPE_CHECKING:
    from plasm.model import Preopen
    from plasm_runtime_wasmtime.wasi import Wasi

PROGRAM_NAME = "job.wasm"
"""A guest's ``argv[0]``: the same on every machine, whatever the module's file was called."""


def run(engine: Engine, wasi: Wasi, prepared: InstancePre, call: Call, terms: Terms) -> Execution:
    """Instantiate and start; nothing of the guest is left afterwards but its output.

    Raises:
        UnreadableInput: a folder that cannot be opened.
    """
    limits = terms.limits
    wasi.begin(terms)
    with Store(engine) as store, WasiConfig() as config:
        bound(store, limits.memory)
        if limits.fuel is not None:
            store.set_fuel(limits.fuel)
        _describe(config, call)
        store.set_wasi(config)
        store.set_epoch_deadline(1)
        context, instance = capi.context(store), None
        try:
            instance = capi.instantiate(context, prepared)
            capi.call(context, capi.export(context, instance, b"_start"))
            outcome = Outcome.exited(0)
        except (Trap, WasmtimeError) as failure:
            outcome = of_failure(failure) if wasi.exit_code is None else Outcome.exited(wasi.exit_code)
        return Execution(
            outcome,
            peak_memory=instance and capi.memory_size(context, capi.export(context, instance, b"memory")),
            fuel=None if limits.fuel is None else limits.fuel - store.get_fuel(),
        )


def _describe(config: WasiConfig, call: Call) -> None:
    invocation = call.invocation
    config.argv = [PROGRAM_NAME, *invocation.args]
    if invocation.env:
        config.env = invocation.env.items()
    _open(config, "stdout", call.stdout)
    _open(config, "stderr", call.stderr)
    if call.stdin is not None:
        _open(config, "stdin", call.stdin)
    for preopen in call.preopens:
        _open_folder(config, preopen)


def _open(config: WasiConfig, stream: Literal["stdin", "stdout", "stderr"], descriptor: int) -> None:
    # The engine takes standard streams by path only; this path opens the same pipe anew.
    try:
        setattr(config, f"{stream}_file", f"/proc/self/fd/{descriptor}")
    except WasmtimeError:
        raise PluginError(
            f"wasmtime cannot open the job's {stream} (descriptor {descriptor})",
            hint="it must be a pipe or a device, and /proc must be mounted",
        ) from None


def _open_folder(config: WasiConfig, preopen: Preopen) -> None:
    try:
        config.preopen_dir(preopen.host, preopen.mount.guest, not preopen.mount.read_only)
    except WasmtimeError:
        raise UnreadableInput(
            f"the folder {preopen.host} for {preopen.mount.guest} cannot be opened", hint="check the --dir option"
        ) from None
