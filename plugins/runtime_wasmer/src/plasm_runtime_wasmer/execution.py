"""One job, from its sandbox to its outcome."""

from __future__ import annotations

import os
import threading

from wasmer_sdk import ExitReason, NetworkPolicy, Process, WasmerError

from plasm.contracts.runtime import Call, Execution
from plasm.errors import InvalidModule, PluginError
from plasm.model import Outcome, OutcomeKind
from plasm_runtime_wasmer.compiling import PANIC, Compiled
from plasm_runtime_wasmer.outcome import of_failure
from plasm_runtime_wasmer.sdk import finish
from plasm_runtime_wasmer.streams import Inflow, Outflow

_LAST_WORDS_SECONDS = 0.01


class Interruption:
    """Ends the running job, or the next one, when it is asked to from another thread."""

    def __init__(self) -> None:
        self._asked = False
        self._process: Process | None = None
        self._lock = threading.Lock()

    def ask(self) -> None:
        """End it."""
        with self._lock:
            self._asked = True
            self._kill()

    def watch(self, process: Process | None) -> None:
        """``process`` is the job that runs now."""
        with self._lock:
            self._process = process
            if self._asked:
                self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            finish(self._process.kill())


def run(compiled: Compiled, call: Call, interruption: Interruption) -> Execution:
    """Start it and wait for its end.

    Raises:
        InvalidModule: the SDK could not make an instance of it.
        PluginError: an output is not open.
    """
    if compiled.adapted.too_large:
        return Execution(Outcome(OutcomeKind.OUT_OF_MEMORY))
    _check_open("stdout", call.stdout)
    _check_open("stderr", call.stderr)
    sandbox = finish(compiled.client.sandboxes.create(packages=[compiled.package], network=NetworkPolicy.DISABLED))
    try:
        invocation = call.invocation
        command = sandbox.command(compiled.package, invocation.args, env=invocation.env)
        process = finish(command.spawn(stdin="closed" if call.stdin is None else "pipe"))
        return Execution(_attend(process, call, interruption))
    except WasmerError as error:
        if error.code == PANIC:
            raise
        outcome = of_failure(str(error), compiled.adapted.exit)
        if outcome is None:
            raise InvalidModule(f"the module cannot be started: {error}") from None
        return Execution(outcome)
    finally:
        finish(sandbox.close())


def _attend(process: Process, call: Call, interruption: Interruption) -> Outcome:
    """Carry the streams of ``process`` until it ends.

    Raises:
        WasmerError: it neither returned nor exited.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    outflows = [
        Outflow(stream, descriptor, closed=lambda: finish(process.kill()))
        for stream, descriptor in ((process.stdout, call.stdout), (process.stderr, call.stderr))
    ]
    inflow = None
    if call.stdin is not None:
        assert process.stdin is not None
        inflow = Inflow(call.stdin, process.stdin)
    interruption.watch(process)
    killed = False
    try:
        output = finish(process.wait())
        killed = output.reason is ExitReason.TERMINATED
        return Outcome(OutcomeKind.CANCELLED) if killed else Outcome.exited(output.exit_code)
    finally:
        interruption.watch(None)
        if inflow is not None:
            inflow.close()
        for outflow in outflows:
            if killed:
                outflow.abandon(_LAST_WORDS_SECONDS)
            else:
                outflow.join()


def _check_open(stream: str, descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        raise PluginError(f"the job's {stream} (descriptor {descriptor}) is not open") from None
