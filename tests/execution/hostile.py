"""A runtime that turns against the process it runs in, as one does that a module has taken over.

Its source is installed as a plugin of its own.  Its one job tries everything in ``ATTEMPTS`` on what the job's only
argument names, and writes what came of each: the name of an error, or ``done``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import sys
import termios
import threading
from collections.abc import Callable, Mapping
from typing import Any

from plasm.contracts.runtime import Call, Execution
from plasm.execution.worker.confinement import landlock
from plasm.hookspecs import hookimpl
from plasm.model import Feature, Outcome

PLASM_HOOK_API = 1
LANDLOCK_ABI = None
"""The version of Landlock that the worker is to believe in; ``None`` for the kernel's."""

if LANDLOCK_ABI is not None:
    landlock.abi = lambda: LANDLOCK_ABI  # type: ignore[assignment,return-value]

Plan = Mapping[str, Any]
"""``victim``: a process; ``file``, ``folder``: not the job's; ``readable``: a file that the interpreter may read;
``calls``: the numbers of system calls."""

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
ATTEMPTS: dict[str, Callable[[Plan], object]] = {}

ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
SIXTEEN_MIB = 2**24
PTRACE_SEIZE, F_SETOWN, F_SETSIG, CLONE_NEWUSER, AT_FDCWD = 0x4206, 8, 10, 0x10000000, -100
MAP_GROWSDOWN, MAP_NORESERVE, PR_SET_PTRACER, PR_SCHED_CORE = 0x100, 0x4000, 0x59616D61, 62
IPC_PRIVATE, IPC_REMOVE = 0, 0


def attempt(function: Callable[[Plan], object]) -> Callable[[Plan], object]:
    ATTEMPTS[function.__name__] = function
    return function


def checked(result: int | None) -> int:
    if result is None or result < 0 or result == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "failed")
    return result


def system_call(plan: Plan, name: str, *arguments: object) -> int:
    values = (plan["calls"][name], *arguments)
    return checked(libc.syscall(*(ctypes.c_long(value) if isinstance(value, int) else value for value in values)))


def calling(name: str, *arguments: Callable[[Plan], object] | object) -> None:
    """An attempt that is one system call; an argument that is a function is called with the plan first."""

    def call(plan: Plan) -> object:
        values = [argument(plan) if callable(argument) else argument for argument in arguments]
        return system_call(plan, name, *values)

    ATTEMPTS[name] = call


def victim(plan: Plan) -> int:
    number: int = plan["victim"]
    return number


def path(plan: Plan) -> bytes:
    return os.fsencode(plan["file"])


# Other processes.


@attempt
def limit_another_process(plan: Plan) -> object:
    return resource.prlimit(victim(plan), resource.RLIMIT_NOFILE, (3, 3))


@attempt
def read_the_limits_of_another_process(plan: Plan) -> object:
    return resource.prlimit(victim(plan), resource.RLIMIT_NOFILE)


@attempt
def end_another_process(plan: Plan) -> None:
    os.kill(victim(plan), signal.SIGKILL)


@attempt
def end_a_group_of_processes(plan: Plan) -> None:
    os.killpg(victim(plan), signal.SIGKILL)


@attempt
def have_a_pipe_end_another_process(plan: Plan) -> None:
    reading, writing = os.pipe()
    try:
        fcntl.fcntl(reading, F_SETOWN, victim(plan))
        fcntl.fcntl(reading, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
        os.write(writing, b"x")
    finally:
        os.close(reading)
        os.close(writing)


@attempt
def take_processors_from_another_process(plan: Plan) -> None:
    os.sched_setaffinity(victim(plan), {min(os.sched_getaffinity(0))})


@attempt
def slow_another_process_down(plan: Plan) -> None:
    os.setpriority(os.PRIO_PROCESS, victim(plan), 19)


@attempt
def schedule_another_process(plan: Plan) -> None:
    os.sched_setscheduler(victim(plan), os.SCHED_IDLE, os.sched_param(0))


@attempt
def read_the_memory_of_another_process(plan: Plan) -> object:
    return os.open(f"/proc/{victim(plan)}/mem", os.O_RDONLY)


@attempt
def read_the_environment_of_another_process(plan: Plan) -> object:
    return os.open(f"/proc/{victim(plan)}/environ", os.O_RDONLY)


calling("tgkill", victim, victim, int(signal.SIGKILL))
calling("tkill", victim, int(signal.SIGKILL))
calling("rt_sigqueueinfo", victim, int(signal.SIGKILL), bytes(128))
calling("rt_tgsigqueueinfo", victim, victim, int(signal.SIGKILL), bytes(128))
calling("pidfd_open", victim, 0)
calling("pidfd_send_signal", 0, int(signal.SIGKILL), None, 0)
calling("pidfd_getfd", 0, 0, 0)
calling("process_madvise", 0, None, 0, 0, 0)
calling("process_vm_readv", victim, None, 0, None, 0, 0)
calling("process_vm_writev", victim, None, 0, None, 0, 0)
calling("ptrace", PTRACE_SEIZE, victim, 0, 0)
calling("kcmp", victim, victim, 0, 0, 0)
calling("ioprio_set", 1, victim, 3 << 13)
calling("migrate_pages", victim, 0, None, None)
calling("move_pages", victim, 0, None, None, None, 0)
calling("get_robust_list", victim, ctypes.byref(ctypes.c_void_p()), ctypes.byref(ctypes.c_size_t()))


@attempt
def let_another_process_trace_this_one(plan: Plan) -> object:
    return checked(libc.prctl(PR_SET_PTRACER, ctypes.c_long(victim(plan)), 0, 0, 0))


@attempt
def share_the_scheduling_of_another_process(plan: Plan) -> object:
    return checked(libc.prctl(PR_SCHED_CORE, 2, ctypes.c_long(victim(plan)), 0, 0))


# Programs and processes of its own.


@attempt
def start_a_process(plan: Plan) -> None:
    if os.fork() == 0:
        os._exit(0)


@attempt
def start_a_process_with_hidden_flags(plan: Plan) -> None:
    if system_call(plan, "clone3", bytes(88), 88) == 0:
        os._exit(0)


@attempt
def start_a_program(plan: Plan) -> object:
    return os.posix_spawn("/bin/true", ["true"], {})


@attempt
def become_a_program(plan: Plan) -> None:
    os.execv("/bin/true", ["true"])


calling("unshare", CLONE_NEWUSER)
calling("setsid")


# Files that are not the job's, by their path.


@attempt
def read_a_file(plan: Plan) -> object:
    return os.open(path(plan), os.O_RDONLY)


@attempt
def write_a_file(plan: Plan) -> object:
    return os.open(path(plan), os.O_WRONLY)


@attempt
def list_a_folder(plan: Plan) -> object:
    return os.listdir(plan["folder"])


@attempt
def make_a_file(plan: Plan) -> object:
    return os.open(f"{plan['folder']}/new", os.O_WRONLY | os.O_CREAT)


@attempt
def make_a_folder(plan: Plan) -> None:
    os.mkdir(f"{plan['folder']}/new-folder")


@attempt
def make_a_device(plan: Plan) -> None:
    os.mknod(f"{plan['folder']}/device", 0o600)


@attempt
def remove_a_file(plan: Plan) -> None:
    os.unlink(path(plan))


@attempt
def rename_a_file(plan: Plan) -> None:
    os.rename(path(plan), path(plan) + b".moved")


@attempt
def link_a_file(plan: Plan) -> None:
    os.link(path(plan), path(plan) + b".linked")


@attempt
def truncate_a_file(plan: Plan) -> None:
    os.truncate(path(plan), 0)


@attempt
def change_the_mode_of_a_file(plan: Plan) -> None:
    os.chmod(path(plan), 0o777)


@attempt
def change_the_owner_of_a_file(plan: Plan) -> None:
    os.chown(path(plan), os.getuid(), os.getgid())


@attempt
def change_the_times_of_a_file(plan: Plan) -> None:
    os.utime(path(plan), (1, 1))


@attempt
def change_an_attribute_of_a_file(plan: Plan) -> None:
    os.setxattr(path(plan), "user.plasm", b"hostile")


@attempt
def read_an_attribute_of_a_file(plan: Plan) -> object:
    return os.getxattr(path(plan), "user.plasm")


@attempt
def remove_an_attribute_of_a_file(plan: Plan) -> None:
    os.removexattr(path(plan), "user.plasm")


calling("utimensat", AT_FDCWD, path, None, 0)
calling("inotify_init1", 0)
calling("fanotify_init", 0, 0)
calling("name_to_handle_at", AT_FDCWD, path, bytes(136), bytes(4), 0)


# Files that it may read only, by a descriptor.


def reading(plan: Plan) -> int:
    return os.open(plan["readable"], os.O_RDONLY)


@attempt
def write_what_may_be_read(plan: Plan) -> object:
    return os.open(plan["readable"], os.O_WRONLY | os.O_APPEND)


@attempt
def empty_what_may_be_read(plan: Plan) -> object:
    return os.open(plan["readable"], os.O_RDONLY | os.O_TRUNC)


@attempt
def empty_what_may_be_read_with_hidden_flags(plan: Plan) -> object:
    how = (ctypes.c_uint64 * 3)(os.O_RDONLY | os.O_TRUNC, 0, 0)
    return system_call(plan, "openat2", AT_FDCWD, os.fsencode(plan["readable"]), how, 24)


@attempt
def truncate_what_may_be_read(plan: Plan) -> None:
    os.ftruncate(reading(plan), 0)


@attempt
def change_the_mode_of_what_may_be_read(plan: Plan) -> None:
    os.fchmod(reading(plan), 0o777)


@attempt
def change_the_owner_of_what_may_be_read(plan: Plan) -> None:
    os.fchown(reading(plan), os.getuid(), os.getgid())


@attempt
def change_the_times_of_what_may_be_read(plan: Plan) -> None:
    os.utime(reading(plan), (1, 1))


@attempt
def change_an_attribute_of_what_may_be_read(plan: Plan) -> None:
    os.setxattr(reading(plan), "user.plasm", b"hostile")


# Memory beyond what it is given, and what outlives it.


@attempt
def take_shared_memory(plan: Plan) -> object:
    return mmap.mmap(-1, SIXTEEN_MIB, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)


@attempt
def take_a_file_in_memory(plan: Plan) -> object:
    return os.memfd_create("hostile", os.MFD_CLOEXEC)


@attempt
def take_memory_that_grows_downwards(plan: Plan) -> object:
    return checked(libc.mmap(None, SIXTEEN_MIB, READ_WRITE, ANONYMOUS | MAP_GROWSDOWN, -1, 0))


@attempt
def take_more_memory_than_any_job(plan: Plan) -> object:
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.prlimit(0, resource.RLIMIT_DATA, (hard, hard))
    return checked(libc.mmap(None, 5 * 2**30, READ_WRITE, ANONYMOUS | MAP_NORESERVE, -1, 0))


@attempt
def lift_the_limit_on_memory(plan: Plan) -> None:
    resource.prlimit(0, resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@attempt
def lift_the_limit_on_open_files(plan: Plan) -> None:
    resource.prlimit(0, resource.RLIMIT_NOFILE, (2048, 2048))


@attempt
def dump_core(plan: Plan) -> None:
    resource.prlimit(0, resource.RLIMIT_CORE, (1, 1))


@attempt
def enlarge_a_pipe(plan: Plan) -> object:
    return fcntl.fcntl(os.pipe()[0], 1031, 2**20)


@attempt
def share_a_mapping_of_a_file(plan: Plan) -> object:
    return mmap.mmap(reading(plan), 1, mmap.MAP_SHARED, mmap.PROT_READ)


@attempt
def keep_shared_memory_for_later(plan: Plan) -> None:
    system_call(plan, "shmctl", system_call(plan, "shmget", IPC_PRIVATE, SIXTEEN_MIB, 0o600), IPC_REMOVE, 0)


@attempt
def keep_semaphores_for_later(plan: Plan) -> None:
    system_call(plan, "semctl", system_call(plan, "semget", IPC_PRIVATE, 1, 0o600), IPC_REMOVE, 0)


@attempt
def keep_messages_for_later(plan: Plan) -> None:
    system_call(plan, "msgctl", system_call(plan, "msgget", IPC_PRIVATE, 0o600), IPC_REMOVE, 0)


@attempt
def keep_a_named_queue_for_later(plan: Plan) -> None:
    name = f"plasm-{os.getpid()}".encode()
    system_call(plan, "mq_open", name, os.O_RDWR | os.O_CREAT, 0o600, None)
    system_call(plan, "mq_unlink", name)


calling("add_key", b"user", b"plasm-hostile", b"x", 1, -3)
calling("keyctl", 0, -3, 0)
calling("mlockall", 2)
calling("timer_create", 0, None, ctypes.byref(ctypes.c_int()))


# Network and terminals.


@attempt
def open_a_socket(plan: Plan) -> object:
    return socket.socket()


@attempt
def open_a_unix_socket(plan: Plan) -> object:
    return socket.socket(socket.AF_UNIX)


@attempt
def open_a_netlink_socket(plan: Plan) -> object:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


@attempt
def send_a_datagram_to_a_path(plan: Plan) -> object:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


@attempt
def type_into_a_terminal(plan: Plan) -> object:
    return fcntl.ioctl(2, termios.TIOCSTI, b"x")


# Large parts of the kernel.

calling("io_uring_setup", 1, bytes(120))
calling("io_setup", 1, ctypes.byref(ctypes.c_ulong()))
calling("bpf", 0, None, 0)
calling("perf_event_open", None, 0, -1, -1, 0)
calling("userfaultfd", 1)
calling("personality", 0xFFFFFFFF)
calling("seccomp", 2, 0, bytes(4))
calling("setns", 0, 0)
calling("mount", None, None, None, 0, None)
calling("open_tree", AT_FDCWD, b"/", 1)
calling("fsopen", b"tmpfs", 0)
calling("chroot", b"/nowhere")
calling("splice", 0, None, 0, None, 0, 0)
calling("set_mempolicy", 0, None, 0)
calling("memfd_secret", 0)


def outcome(function: Callable[[Plan], object], plan: Plan) -> str:
    try:
        function(plan)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


class Hostile:
    name, version, enforces, provides = "hostile", "1", frozenset[Any](), frozenset(Feature)

    def artifact_key(self, terms: object) -> str:
        return "key"

    def compile(self, module: bytes, terms: object) -> bytes:
        return module

    def dump(self, compiled: bytes) -> bytes:
        return compiled

    def load(self, artifact: bytes, terms: object) -> bytes:
        return artifact

    def execute(self, compiled: bytes, call: Call, terms: object) -> Execution:
        plan = {**json.loads(call.invocation.args[0]), "readable": sys.modules[__name__].__file__}
        report = {name: outcome(function, plan) for name, function in ATTEMPTS.items()}
        # An attempt of one of its own threads is no better off.
        thread = threading.Thread(target=lambda: report.update(in_a_thread=outcome(ATTEMPTS["read_a_file"], plan)))
        thread.start()
        thread.join()
        os.write(call.stdout, json.dumps(report).encode())
        return Execution(Outcome.exited(0))

    def interrupt(self) -> None:
        pass


@hookimpl
def plasm_runtime(config: object) -> Hostile:
    return Hostile()
