"""The ``plasm`` command: starts early what takes longest, then hands over to the command line."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from plasm.execution.parent.spawn import Spawned, fork_worker

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit status."""
    # Imports make no garbage, and looking for it takes a tenth of a short run.
    gc.disable()
    started = None
    try:
        _replace_closed_streams()
        started = _start_early(sys.argv[1:])
        from plasm.cli.app import main as run_command_line

        status = run_command_line(sys.argv[1:], started)
    except KeyboardInterrupt:  # while modules are imported, most likely; nothing has begun that could be told of
        status = _INTERRUPTED
    if started is not None:
        started.kill()
    # Everything is written and the worker is gone; what is left to tear down belongs to the kernel.
    os._exit(status)


def _replace_closed_streams() -> None:
    """Put something in the place of each standard stream that is closed: the next file or pipe that is opened would
    take its number, and a job's output would go there.

    An input is empty then, output has no reader any more, and messages are lost.
    """
    closed = [number for number in range(3) if not _is_open(number)]
    for number in closed:  # what is opened takes the lowest number that is free, which is this one
        if number == 1:
            reader, writer = os.pipe()
            os.dup2(writer, reader)
            os.close(writer)
        else:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        name = ("stdin", "stdout", "stderr")[number]
        setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 - open to the end


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _start_early(arguments: Sequence[str]) -> Spawned | None:
    """A worker for the run that ``arguments`` seem to ask for, so that it loads its runtime while the command line
    is loaded here.  Without a name it chooses the runtime by the configuration.  A wrong guess is dropped."""
    words = iter(arguments)
    runtime = ""
    wanted = False
    for word in words:
        if word == "--runtime":
            runtime = next(words, runtime)
        elif word.startswith("--runtime="):
            runtime = word.partition("=")[2]
        elif word in ("--help", "--version", "--"):
            break
        elif not word.startswith("-") and not wanted:
            if word != "run":
                return None
            wanted = True
    if not wanted:
        return None
    try:
        return fork_worker(runtime)
    except OSError:
        return None


if __name__ == "__main__":
    main()
