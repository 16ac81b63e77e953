"""One job from its store to its outcome."""

from __future__ import annotations

import stat
from pathlib import Path

from plasm.contracts import Call, Execution
from plasm.errors import UnreadableInput
from plasm.model import Limits, Outcome, OutcomeKind, Preopen
from wasmtime import InstancePre, Store, Trap, WasiConfig, WasmtimeError

from plasm_runtime_wasmtime import capi
from plasm_runtime_wasmtime.descriptors import give
from plasm_runtime_wasmtime.engine import bound
from plasm_runtime_wasmtime.job import Job
from plasm_runtime_wasmtime.outcome import of_failure
from plasm_runtime_wasmtime.stdin import Stdin

PROGRAM_NAME = "job.wasm"
"""A guest's ``argv[0]``: the same on every machine, whatever the module's file was called."""


def run(prepared: InstancePre, call: Call, limits: Limits, job: Job) -> Execution:
    """Instantiate and start; nothing of the guest is left afterwards but its output.

    Raises:
        UnreadableInput: a folder or standard input that cannot be opened.
    """
    with Store(job.engine) as store, WasiConfig() as config, Stdin(call.stdin, job) as stdin:
        bound(store, limits.memory)
        if limits.fuel is not None:
            store.set_fuel(limits.fuel)
        _describe(config, call)
        stdin.attach(config)
        store.set_wasi(config)
        store.set_epoch_deadline(1)
        if job.stopped:
            return Execution(Outcome(OutcomeKind.CANCELLED))
        context, instance = capi.context(store), None
        try:
            instance = capi.instantiate(context, prepared)
            capi.start(context, capi.export(context, instance, b"_start"))
            outcome = Outcome.exited(0)
        except (Trap, WasmtimeError) as failure:
            outcome = of_failure(failure) if job.exit_code is None else Outcome.exited(job.exit_code)
        return Execution(
            outcome,
            peak_memory=None if instance is None else _memory_size(context, instance),
            fuel=None if limits.fuel is None else limits.fuel - store.get_fuel(),
        )


def _describe(config: WasiConfig, call: Call) -> None:
    invocation = call.invocation
    config.argv = [PROGRAM_NAME, *invocation.args]
    give(config, "stdout", call.stdout)
    give(config, "stderr", call.stderr)
    if invocation.env:
        config.env = invocation.env.items()
    for preopen in call.preopens:
        _open_folder(config, preopen)


def _open_folder(config: WasiConfig, preopen: Preopen) -> None:
    host = preopen.host
    try:
        if "\0" in host:
            raise ValueError
        config.preopen_dir(host, preopen.mount.guest, not preopen.mount.read_only)
    except (WasmtimeError, ValueError):
        raise UnreadableInput(
            f"the folder {host!r} for {preopen.mount.guest} {_why_unreadable(host)}", hint="check the --dir option"
        ) from None


def _why_unreadable(host: str) -> str:
    try:
        mode = Path(host).stat().st_mode
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError):
        return "cannot be opened"
    return "cannot be opened" if stat.S_ISDIR(mode) else "is not a folder"


def _memory_size(context: capi.Pointer, instance: capi.Pointer) -> int | None:
    memory = capi.export(context, instance, b"memory")
    return capi.memory_size(context, memory) if memory is not None and capi.is_memory(memory) else None
