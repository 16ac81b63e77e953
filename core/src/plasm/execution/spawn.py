"""Starting worker processes; imports nothing but what the interpreter has loaded anyway.

A worker starts with no descriptor but its four pipes (two for frames, two for the job's output), an empty
environment and a session of its own, so that a Ctrl-C in the terminal reaches the executor only, which then decides.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import sys

from plasm.execution import frames

READ_FD, WRITE_FD, STDOUT_FD, STDERR_FD = 3, 4, 5, 6
_FIRST_SAFE_FD = 10
_CONFIGURATION = ("HOME", "PLASM_", "XDG_")


class WorkerHandle:
    """A started worker: its process id, and the parent's ends of the four pipes."""

    __slots__ = ("from_worker", "pid", "runtime", "stderr", "stdout", "to_worker")

    def __init__(self, pid: int, runtime: str, to_worker: int, from_worker: int, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.runtime = runtime
        self.to_worker = to_worker
        self.from_worker = from_worker
        self.stdout = stdout
        self.stderr = stderr


def start_worker(runtime: str) -> WorkerHandle:
    """Start a worker that loads ``runtime`` at once.  It is told, not given, the variables that configure Plasm.

    Raises:
        OSError: no process or pipe is to be had.
    """
    boot = f"import gc, sys; gc.disable(); sys.path[:] = {sys.path!r}; from plasm.execution.child import main; main()"
    closed = (0, 1) if os.environ.get("PLASM_DEBUG") else (0, 1, 2)
    actions: list[tuple[object, ...]] = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in closed]
    ours, theirs = [], []
    try:
        for fd in (READ_FD, WRITE_FD, STDOUT_FD, STDERR_FD):
            reading, writing = _pipe()
            ours.append(writing if fd == READ_FD else reading)
            theirs.append(reading if fd == READ_FD else writing)
            actions.append((os.POSIX_SPAWN_DUP2, theirs[-1], fd))
        pid = os.posix_spawn(sys.executable, [sys.executable, "-I", "-c", boot], {}, file_actions=actions, setsid=True)
    except OSError:
        for end in ours:
            os.close(end)
        raise
    finally:
        for end in theirs:
            os.close(end)
    environment = {name: value for name, value in os.environ.items() if name.startswith(_CONFIGURATION)}
    os.write(ours[0], frames.encode(frames.START, marshal.dumps((runtime, environment))))
    return WorkerHandle(pid, runtime, *ours)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends lie above every descriptor that the child's are moved to."""
    ends = os.pipe()
    try:
        reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_SAFE_FD) for end in ends)
    finally:
        for end in ends:
            os.close(end)
    return reading, writing
