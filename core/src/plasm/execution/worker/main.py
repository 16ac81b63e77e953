"""The worker process: one warm runtime, one job at a time, everything else left behind."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import threading
from collections.abc import Iterator
from typing import Final, NoReturn

from plasm.config import Config
from plasm.contracts.runtime import Runtime
from plasm.errors import PlasmError
from plasm.execution import frames, order
from plasm.execution.frames import READ_FD, STDERR_FD
from plasm.execution.worker import job
from plasm.execution.worker.modules import Modules
from plasm.execution.worker.pipes import FramePipes, ParentGone
from plasm.execution.worker.rlimits import ProcessLimits
from plasm.execution.worker.stdin import StdinFile
from plasm.plugins import PluginHost

_INTERRUPT: Final = signal.SIGUSR1
_LOOK_SECONDS: Final = 1.0


def main() -> NoReturn:
    """Serve jobs until the parent goes away; never returns."""
    os.closerange(STDERR_FD + 1, 2**20)
    pipes = FramePipes()
    try:
        _serve(pipes)
    except ParentGone:
        os._exit(0)
    except BaseException as error:
        # The runtime's own failure, which only its author can understand.
        with contextlib.suppress(Exception):
            pipes.send_trace(error)
    finally:
        os._exit(1)


def _serve(pipes: FramePipes) -> NoReturn:
    tag, payload = pipes.receive()
    assert tag == frames.START
    name, environment = frames.decode_start(payload)
    try:
        with _leaving_with_parent():
            runtime = PluginHost(Config.from_environment(environment)).runtime(name or None)
            described = _description(runtime)
    except PlasmError as error:
        if error.trace:
            pipes.send_trace(error.__cause__ or error)
        pipes.send_error(error)
        os._exit(1)
    # What was made so far stays for good: it need not be looked at again.
    gc.freeze()
    gc.enable()
    pipes.send(frames.READY, described)
    limits = ProcessLimits()
    modules = Modules(runtime, limits, pipes)
    stdin_file = StdinFile(pipes)
    confined = False
    while True:
        tag, payload = pipes.receive()
        assert tag == frames.JOB
        given = order.decode(payload)
        if not confined:
            _confine(given)
            _start_watch(runtime)
            confined = True
        job.run(given, runtime, limits, modules, stdin_file, pipes)


def _description(runtime: Runtime) -> bytes:
    return json.dumps(
        {
            "name": runtime.name,
            "version": runtime.version,
            "enforces": sorted(runtime.enforces),
            "provides": sorted(runtime.provides),
        }
    ).encode()


@contextlib.contextmanager
def _leaving_with_parent() -> Iterator[None]:
    """End this process when the parent does, although it is busy with a plugin's Python code.

    Before it is confined this process may have no second thread, so a timer looks.  Code that never comes back to the
    interpreter is not interrupted.
    """
    poll = select.poll()
    poll.register(READ_FD, 0)

    def look(*_: object) -> None:
        if poll.poll(0):
            os._exit(1)

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _confine(given: order.Order) -> None:
    """Give up what the first job, and those with the same folders that may follow, do not need."""
    from plasm.execution.worker.confinement import confine
    from plasm.execution.worker.confinement.interpreter import interpreter_paths

    confine(given.preopens, interpreter_paths())


def _start_watch(runtime: Runtime) -> None:
    """Interrupt the runtime on :data:`_INTERRUPT`, and end this process when the parent does.

    While a module runs no Python signal handler can, but the interpreter still writes the signal's number to the
    wake-up descriptor, and a thread asleep on that costs a running job nothing.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(_INTERRUPT, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def watch() -> None:
        poll = select.poll()
        poll.register(woken, select.POLLIN)
        poll.register(READ_FD, 0)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == READ_FD:
                    os._exit(1)
                os.read(woken, 64)
                runtime.interrupt()

    threading.Thread(target=watch, daemon=True).start()
