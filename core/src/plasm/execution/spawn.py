"""Starting worker processes; imports nothing but what the interpreter has loaded anyway.

A worker starts with no descriptor but its two pipes, an empty environment and a session of its own, so that a
Ctrl-C in the terminal reaches the executor only, which then decides.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import sys

from plasm.execution import frames

READ_FD, WRITE_FD = 3, 4
_FIRST_SAFE_FD = 10
_CONFIGURATION = ("HOME", "PLASM_", "XDG_")


class WorkerHandle:
    """A started worker: its process id, and the parent's ends of the two pipes."""

    __slots__ = ("from_worker", "pid", "runtime", "to_worker")

    def __init__(self, pid: int, to_worker: int, from_worker: int, runtime: str) -> None:
        self.pid = pid
        self.to_worker = to_worker
        self.from_worker = from_worker
        self.runtime = runtime


def start_worker(runtime: str) -> WorkerHandle:
    """Start a worker that loads ``runtime`` at once.  It is told, not given, the variables that configure Plasm.

    Raises:
        OSError: no process or pipe is to be had.
    """
    child_reads, to_worker = _pipe()
    from_worker, child_writes = _pipe()
    boot = f"import sys; sys.path[:] = {sys.path!r}; from plasm.execution.child import main; main()"
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    ends = [(os.POSIX_SPAWN_DUP2, child_reads, READ_FD), (os.POSIX_SPAWN_DUP2, child_writes, WRITE_FD)]
    try:
        pid = os.posix_spawn(
            sys.executable, [sys.executable, "-I", "-c", boot], {}, file_actions=[*null, *ends], setsid=True
        )
    except OSError:
        os.close(to_worker)
        os.close(from_worker)
        raise
    finally:
        os.close(child_reads)
        os.close(child_writes)
    environment = {name: value for name, value in os.environ.items() if name.startswith(_CONFIGURATION)}
    os.write(to_worker, frames.encode(frames.START, marshal.dumps((runtime, environment))))
    return WorkerHandle(pid, to_worker, from_worker, runtime)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends lie above every descriptor that the child's are moved to."""
    ends = os.pipe()
    try:
        read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_SAFE_FD) for end in ends)
    finally:
        for end in ends:
            os.close(end)
    return read, write
