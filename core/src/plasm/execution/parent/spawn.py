"""Starting worker processes; imports nothing but what the interpreter has loaded anyway.

A worker starts with no descriptor but its four pipes (two for frames, two for the job's output), an empty
environment and a session of its own, so that a Ctrl-C in the terminal reaches the parent only, which then decides.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable

from plasm.execution import frames
from plasm.execution.frames import READ_FD, STDERR_FD, STDOUT_FD, WRITE_FD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_FIRST_SAFE_FD: Final = 10
_CONFIGURATION: Final = ("HOME", "PLASM_", "XDG_")


class Spawned:
    """A worker process that has just been started, and the parent's ends of its four pipes.

    Nobody has talked with it yet: whoever does makes a :class:`~plasm.execution.parent.process.WorkerProcess` of it.
    ``runtime`` is the name of the runtime that it loads, empty where it chooses one by the configuration.
    """

    __slots__ = ("_alive", "ended_by", "from_worker", "pid", "runtime", "stderr", "stdout", "to_worker")

    def __init__(self, pid: int, runtime: str, to_worker: int, from_worker: int, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.runtime = runtime
        self.to_worker = to_worker
        self.from_worker = from_worker
        self.stdout = stdout
        self.stderr = stderr
        self._alive = True
        self.ended_by = 0

    def kill(self) -> None:
        """End the process at once and reap it; what it has written can still be read.  Harmless when repeated.

        ``ended_by`` is then the signal that ended it, ours or an earlier one, and 0 where it left by itself.
        """
        if self._alive:
            import signal

            self._alive = False
            os.kill(self.pid, signal.SIGKILL)
            self.ended_by = os.WTERMSIG(os.waitpid(self.pid, 0)[1])


def spawn_worker(runtime: str) -> Spawned:
    """Start a worker that loads ``runtime`` at once, the configured or preferred one where that is empty.  It is told,
    not given, the variables that configure Plasm.

    Raises:
        OSError: no process or pipe is to be had.
    """
    return _start(runtime, _spawn)


def fork_worker(runtime: str) -> Spawned:
    """The same for a process that has no thread and has loaded next to nothing: the worker goes on with the
    interpreter that is there, which saves it the start of another.

    Raises:
        OSError: no process or pipe is to be had.
    """
    return _start(runtime, _fork)


def _start(runtime: str, launch: Callable[[dict[int, int]], int]) -> Spawned:
    ours: list[int] = []
    theirs: dict[int, int] = {}
    try:
        for fd in (READ_FD, WRITE_FD, STDOUT_FD, STDERR_FD):
            reading, writing = _pipe()
            ours.append(writing if fd == READ_FD else reading)
            theirs[fd] = reading if fd == READ_FD else writing
        pid = launch(theirs)
    except OSError:
        for end in ours:
            os.close(end)
        raise
    finally:
        for end in theirs.values():
            os.close(end)
    environment = {name: value for name, value in os.environ.items() if name.startswith(_CONFIGURATION)}
    os.write(ours[0], frames.encode(frames.START, frames.encode_start(runtime, environment)))
    return Spawned(pid, runtime, *ours)


def _spawn(ends: dict[int, int]) -> int:
    """Start a new interpreter that has ``ends`` (its descriptor: ours) and nothing else; returns its process id."""
    load = "from plasm.execution.worker.main import main"
    boot = f"import gc, sys; gc.disable(); sys.path[:] = {sys.path!r}; {load}; main()"
    actions: list[tuple[object, ...]] = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in _closed()]
    actions += [(os.POSIX_SPAWN_DUP2, end, fd) for fd, end in ends.items()]
    return os.posix_spawn(sys.executable, [sys.executable, "-I", "-c", boot], {}, file_actions=actions, setsid=True)


def _fork(ends: dict[int, int]) -> int:
    """Go on as two processes, of which the new one never returns."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in _closed():
            os.dup2(null, fd)
        for fd, end in ends.items():
            os.dup2(end, fd)
        _forget_environment()
        from plasm.execution.worker.main import main

        main()
    finally:
        os._exit(1)


def _forget_environment() -> None:
    """Empty the environment, and the memory from which the kernel shows it in ``/proc``."""
    os.environ.clear()
    try:
        with open("/proc/self/stat", "rb") as stat, open("/proc/self/mem", "r+b", buffering=0) as memory:
            start, end = map(int, stat.read().rpartition(b")")[2].split()[47:49])
            memory.seek(start)
            memory.write(bytes(end - start))
    except OSError:
        pass  # a kernel that shows neither has nothing to hide


def _closed() -> tuple[int, ...]:
    """Which of the standard descriptors lead nowhere: all, unless somebody wants to see what goes wrong."""
    return (0, 1) if os.environ.get("PLASM_DEBUG") else (0, 1, 2)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends lie above every descriptor that the worker's are moved to."""
    ends = os.pipe()
    moved: list[int] = []
    try:
        for end in ends:
            moved.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_SAFE_FD))  # noqa: PERF401 - one may fail
    except OSError:
        for end in moved:
            os.close(end)
        raise
    finally:
        for end in ends:
            os.close(end)
    return moved[0], moved[1]
