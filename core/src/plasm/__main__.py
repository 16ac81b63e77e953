"""The ``plasm`` command: starts early what takes longest, then hands over to the command line."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from plasm.execution.parent.spawn import Spawned, fork_worker


def main() -> None:
    """Run the command line and leave with its exit status."""
    # Imports make no garbage, and looking for it takes a tenth of a short run.
    gc.disable()
    started = _start_early(sys.argv[1:])
    from plasm.cli.app import main as run_command_line

    status = run_command_line(sys.argv[1:], started)
    if started is not None:
        started.kill()
    # Everything is written and the worker is gone; what is left to tear down belongs to the kernel.
    os._exit(status)


def _start_early(arguments: Sequence[str]) -> Spawned | None:
    """A worker for the run that ``arguments`` seem to ask for, so that it loads its runtime while the command line
    is loaded here.  A wrong guess is dropped."""
    words = iter(arguments)
    runtime = os.environ.get("PLASM_RUNTIME") or "wasmtime"
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
