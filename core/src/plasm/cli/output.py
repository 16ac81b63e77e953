"""What ``run`` and ``submit`` put out: the job's output on our own streams, how it ended, and files."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from plasm.errors import ExitStatus, UnwritableOutput
from plasm.files import PendingFile
from plasm.jobs.cancellation import Cancellation
from plasm.model import Limits, Outcome, OutcomeKind
from plasm.model.quantities import format_duration, format_size
from plasm.ops.console import debugging, say, show_trace

if TYPE_CHECKING:
    from plasm.cli.report import ReportingSink
    from plasm.contracts.runtime import Stream
    from plasm.receipts import Receipt

_DESCRIPTORS: Final[Mapping[Stream, int]] = {"stdout": 1, "stderr": 2}


class PassThroughSink:
    """Writes a job's output to our stdout and stderr.

    While a slow reader makes us wait, ``cancellation`` is still heard.  Where something cannot be passed on, the job is
    to stop: ``closed`` says then that the reader has gone, ``failure`` what else it is.
    """

    def __init__(self, cancellation: Cancellation) -> None:
        self.closed = False
        self.failure: UnwritableOutput | None = None
        self._cancellation = cancellation

    def write(self, stream: Stream, data: bytes) -> bool:
        descriptor = _DESCRIPTORS[stream]
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        poll.register(self._cancellation.descriptor, select.POLLIN)
        view = memoryview(data)
        while view:
            ready = [ready for ready, _ in poll.poll()]
            if self._cancellation.descriptor in ready:
                return False
            try:
                # No more than a pipe takes at once, for the descriptor may be one that waits.
                view = view[os.write(descriptor, view[: select.PIPE_BUF]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self.closed = True
                return False
            except OSError as error:
                self.failure = UnwritableOutput(f"the job's {stream} cannot be passed on: {error.strerror}")
                return False
        return True

    def show(self, claims: Receipt, receipt: bytes, status: int) -> None:
        """Nothing more: it has all been passed on."""


def choose_sink(as_json: bool, cancellation: Cancellation) -> PassThroughSink | ReportingSink:
    """Where a job's output goes: on to our own streams, or into a JSON document."""
    if not as_json:
        return PassThroughSink(cancellation)
    from plasm.cli.report import ReportingSink

    return ReportingSink()


def open_output(stack: ExitStack, path: Path) -> PendingFile:
    """A file that will take its place at ``path`` when it is complete.

    Raises:
        UnwritableOutput: it could not be written there.
    """
    try:
        return stack.enter_context(PendingFile(path))
    except OSError as error:
        raise _unwritable(path, error) from None


def complete(pending: PendingFile, path: Path, data: bytes) -> None:
    """Write ``data`` to the file that was opened for ``path`` and put it in its place.

    Raises:
        UnwritableOutput: it could not be written; what was at ``path`` before is still there.
    """
    try:
        pending.commit(data)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> UnwritableOutput:
    return UnwritableOutput(f"{path} cannot be written: {error.strerror}", hint="give another path")


_ADVICE: Final = {
    OutcomeKind.TIMED_OUT: ("wall_time", "--timeout"),
    OutcomeKind.OUT_OF_MEMORY: ("memory", "--memory"),
    OutcomeKind.OUT_OF_FUEL: ("fuel", "--fuel"),
    OutcomeKind.OUT_OF_CPU_TIME: ("cpu_time", "--cpu-time"),
    OutcomeKind.OUTPUT_LIMIT: ("output", "--output-limit"),
    OutcomeKind.FILE_LIMIT: ("files", "--file-limit"),
}
_SHOWN: Final[dict[str, Callable[[int], str]]] = {
    "wall_time": format_duration,
    "cpu_time": format_duration,
    "memory": format_size,
    "output": format_size,
    "files": format_size,
    "fuel": str,
}


def tell(outcome: Outcome, limits: Limits, trace: str = "") -> None:
    """Say why a job ended that did not exit by itself.

    Args:
        outcome: how it ended.
        limits: those that it had.
        trace: the traceback of its runtime where that crashed, or empty.
    """
    if outcome.kind in _ADVICE:
        name, option = _ADVICE[outcome.kind]
        value: int = getattr(limits, name)
        show = _SHOWN[name]
        say(f"the job {outcome} ({name} = {show(value)}; raise it with {option})")
    elif trace and debugging():
        say(f"the job {outcome}")
        show_trace(trace)
    elif outcome.exit_code is None:
        say(f"the job {outcome}" + (" (PLASM_DEBUG=1 shows why)" if trace else ""))
    elif outcome.exit_code > ExitStatus.CODE_OUT_OF_RANGE:
        say(f"the job {outcome}, which a shell sees as {ExitStatus.CODE_OUT_OF_RANGE.value}")
