"""The system calls that a confined worker may make, and with which arguments: the rules alone, without the filter.

Everything else is denied.  What is here is what both runtimes call (compilers, thread pools and allocators included)
and the nearest relatives of those calls that reach no further: a call belongs here only if all that it can do, with
the arguments that are allowed, stays within this process, its descriptors, and the files that Landlock leaves it.

- Calls that name a process may name this one only.
- Calls that change a file by its path without opening it (modes, owners, times, extended attributes, ``truncate``)
  are not there, for Landlock does not look at them all; nor are those that change an open file so, as any file that
  can be read could be changed.  A job with writable folders may set times, which WASI needs.
- Memory is private, so that ``RLIMIT_DATA`` counts all of it: no shared mappings, no files in memory, no mappings that
  grow downwards.  Disk space is taken by writing only, which the executor sees: no ``fallocate``, no copying of files
  within the kernel.
- Nothing outlives the process: no System V or POSIX queues and semaphores, no keyrings.

Numbers are those of x86-64 and aarch64, from the kernel's ``syscall_64.tbl`` and ``scripts/syscall.tbl``.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final, Literal

_WORD: Final = 2**32 - 1


Machine = Literal[0, 1]
"""An architecture: its column in the tables."""

X86_64: Final = 0
AARCH64: Final = 1

Check = tuple[int, tuple[int, ...], int]
"""Which argument, what it may be, and which bits of its low 32 count."""

Rule = tuple[Check, ...]
"""The call is allowed where all checks hold, so always where there is none."""

Verdict = Rule | int
"""A rule, or the error with which the call fails."""

Numbers = tuple[int | None, int | None]
"""A call's number on each :class:`Machine`; ``None`` where the call does not exist."""

NEWEST_DENIED: Final = 450
"""The newest call of Linux 6.1, the oldest kernel that Plasm is packaged for (``set_mempolicy_home_node``).

Up to here a call that is not allowed fails with ``EPERM``, which tells whoever made it why.  A newer one fails with
``ENOSYS``: C libraries and runtimes try new calls first and then do without, as they do on a kernel that lacks them.
"""

ALWAYS: Final[Mapping[str, Numbers]] = {
    # descriptors
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "lseek": (8, 62), "pread64": (17, 67), "pwrite64": (18, 68),
    "readv": (19, 65), "writev": (20, 66), "preadv": (295, 69), "pwritev": (296, 70), "preadv2": (327, 286),
    "pwritev2": (328, 287), "close_range": (436, 436), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24),
    "pipe": (22, None), "pipe2": (293, 59), "eventfd2": (290, 19), "poll": (7, None), "ppoll": (271, 73),
    "select": (23, None), "pselect6": (270, 72), "epoll_create1": (291, 20), "epoll_ctl": (233, 21),
    "epoll_wait": (232, None), "epoll_pwait": (281, 22), "epoll_pwait2": (441, 441), "timerfd_create": (283, 85),
    "timerfd_settime": (286, 86), "timerfd_gettime": (287, 87), "sendto": (44, 206), "recvfrom": (45, 207),
    "shutdown": (48, 210),
    # files that Landlock lets it open, and what is known of others
    "stat": (4, None), "fstat": (5, 80), "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291),
    "fstatfs": (138, 44), "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439),
    "readlink": (89, None), "readlinkat": (267, 78), "getdents64": (217, 61), "getcwd": (79, 17),
    "fadvise64": (221, 223), "readahead": (187, 213), "fsync": (74, 82), "fdatasync": (75, 83),
    "ftruncate": (77, 46), "mkdir": (83, None), "mkdirat": (258, 34),  # wasmer-sdk insists on hearing EEXIST
    # memory
    "brk": (12, 214), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "membarrier": (324, 283),
    # threads and signals of this process
    "exit": (60, 93), "exit_group": (231, 94), "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293),
    "set_tid_address": (218, 96), "gettid": (186, 178), "getcpu": (309, 168), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123), "restart_syscall": (219, 128), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136), "rt_sigsuspend": (130, 133),
    "rt_sigtimedwait": (128, 137), "sigaltstack": (131, 132), "pause": (34, None),
    # time
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153), "getitimer": (36, 102),
    "setitimer": (38, 103), "alarm": (37, None),
    # what a process may know of itself and the machine
    "getpid": (39, 172), "getppid": (110, 173), "getpgid": (121, 155), "getpgrp": (111, None), "getsid": (124, 156),
    "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158), "capget": (125, 90),
    "getrusage": (98, 165), "uname": (63, 160), "sysinfo": (99, 179), "getrandom": (318, 278), "umask": (95, 166),
}  # fmt: skip
"""For every job, with any arguments."""

WRITING_FILES: Final[Mapping[str, Numbers]] = {
    "creat": (85, None), "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35), "rename": (82, None),
    "renameat": (264, 38), "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37), "symlink": (88, None),
    "symlinkat": (266, 36), "utimensat": (280, 88),
}  # fmt: skip
"""For a job with writable folders.  Landlock keeps all but the last of them to these."""

CHECKED: Final[Mapping[str, Numbers]] = {
    "clone": (56, 220), "mmap": (9, 222), "madvise": (28, 233), "open": (2, None), "openat": (257, 56),
    "fcntl": (72, 25), "ioctl": (16, 29), "prctl": (157, 167), "socketpair": (53, 199), "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122), "tgkill": (234, 131),
}  # fmt: skip
"""For every job, with some arguments."""

DEPENDENT: Final[Mapping[str, Numbers]] = {"clone3": (435, 435), "openat2": (437, 437), "truncate": (76, 45)}
"""For some jobs, on some kernels, or said not to exist; see :func:`verdicts`."""

# clone(2): the flags of a thread of this process, and what may go with them.
_THREAD: Final = 0x0005_0F00  # VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
_THREAD_OPTIONS: Final = 0x0178_0000  # SETTLS, PARENT_SETTID, CHILD_CLEARTID, DETACHED, CHILD_SETTID
# mmap(2): what RLIMIT_DATA would not count.
_SHARED, _GROWS_DOWN, _HUGE_PAGES = 0x01, 0x100, 0x40000
# open(2): O_RDONLY | O_TRUNC empties a file that may only be read, where Landlock is too old to know of truncating.
_EMPTY, _ACCESS_MODE, _WRITE_ONLY, _READ_WRITE = 0x200, 0x3, 0x1, 0x2
_OPENINGS: Final = (0, _WRITE_ONLY, _READ_WRITE, _WRITE_ONLY | _EMPTY, _READ_WRITE | _EMPTY)
# madvise(2): NORMAL … DONTNEED, FREE, (NO)HUGEPAGE, (DONT|DO)DUMP, GUARD_INSTALL, GUARD_REMOVE; none that merges pages
# with other processes', pushes them out or breaks them.
_ADVICE: Final = (0, 1, 2, 3, 4, 8, 14, 15, 16, 17, 102, 103)
# fcntl(2): DUPFD, GETFD, SETFD, GETFL, SETFL, DUPFD_CLOEXEC; not SETOWN and SETSIG, which send signals to others.
_DESCRIPTOR_COMMANDS: Final = (0, 1, 2, 3, 4, 1030)
# ioctl(2): TCGETS, TCGETS2, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX; not TIOCSTI, which types for somebody.
_DEVICE_COMMANDS: Final = (0x5401, 0x802C542A, 0x541B, 0x5421, 0x5450, 0x5451)
# prctl(2): SET_NAME, GET_NAME, SET_VMA
_PROCESS_OPTIONS: Final = (15, 16, 0x53564D41)
# socketpair(2): AF_UNIX, SOCK_STREAM with NONBLOCK and CLOEXEC.  It is connected; one of datagrams could send anywhere.
_UNIX, _STREAM, _SOCKET_FLAGS = 1, 1, 0x80800


def verdicts(machine: Machine, process: int, *, writes_files: bool, truncation_governed: bool) -> dict[int, Verdict]:
    """What becomes of calls by number; those that are not there are denied, see :data:`NEWEST_DENIED`.

    Args:
        machine: whose numbers they are.
        process: the id of the process that is confined.
        writes_files: whether its job may write anywhere.
        truncation_governed: whether Landlock keeps files from being truncated (ABI 3); if not, ``truncate`` is
            denied, and ``openat2``, whose flags are in memory, does not exist.
    """
    itself = (0, process)
    opening = _EMPTY | _ACCESS_MODE
    rules: dict[str, Rule] = {
        "clone": ((0, (_THREAD,), _WORD & ~_THREAD_OPTIONS),),
        "mmap": ((3, (0,), _SHARED | _GROWS_DOWN | _HUGE_PAGES),),
        "madvise": ((2, _ADVICE, _WORD),),
        "open": ((1, _OPENINGS, opening),),
        "openat": ((2, _OPENINGS, opening),),
        "fcntl": ((1, _DESCRIPTOR_COMMANDS, _WORD),),
        "ioctl": ((1, _DEVICE_COMMANDS, _WORD),),
        "prctl": ((0, _PROCESS_OPTIONS, _WORD),),
        "socketpair": ((0, (_UNIX,), _WORD), (1, (_STREAM,), _WORD & ~_SOCKET_FLAGS)),
        "prlimit64": ((0, itself, _WORD),),
        "sched_setaffinity": ((0, itself, _WORD),),
        "tgkill": ((0, (process,), _WORD),),
    }
    by_name: dict[str, Verdict] = {
        **dict.fromkeys(ALWAYS, ()),
        **(dict.fromkeys(WRITING_FILES, ()) if writes_files else {}),
        **rules,
        # Whether it makes a thread or a process is in memory too.  The C library goes back to clone.
        "clone3": errno.ENOSYS,
        "openat2": () if truncation_governed else errno.ENOSYS,
        "truncate": () if truncation_governed and writes_files else errno.EPERM,
    }
    numbers = {**ALWAYS, **WRITING_FILES, **CHECKED, **DEPENDENT}
    by_number = {numbers[name][machine]: verdict for name, verdict in by_name.items()}
    return {number: verdict for number, verdict in by_number.items() if number is not None}
