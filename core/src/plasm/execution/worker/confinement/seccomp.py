"""Seccomp: which system calls a process can make.  See seccomp(2).

The filter denies what no runtime needs and most ways out of a process start with: network, programs, processes,
tracing, namespaces, mounts, modules and other large surfaces of the kernel.  Everything else is allowed, for what an
engine's allocator and threads call changes with every release.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from functools import cache

from plasm.execution.worker.confinement.kernel import call, libc

_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_PR_GET_SECCOMP = 21
_CLONE_THREAD = 0x10000
_X32 = 0x40000000

# Classic BPF: load a word of seccomp_data, compare, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000

_X86_64, _AARCH64 = 0, 1
_MACHINES = {"x86_64": _X86_64, "aarch64": _AARCH64}
_ARCHITECTURES = (0xC000003E, 0xC00000B7)  # AUDIT_ARCH_… of linux/audit.h
_SECCOMP, _CLONE, _CLONE3 = (317, 277), (56, 220), (435, 435)
_MISSING = -1

_DENIED = {
    # network
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    # programs and processes
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, _MISSING), "vfork": (58, _MISSING),
    "kill": (62, 129), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "kcmp": (312, 272),
    # namespaces and mounts
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    # files by other names
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "mknod": (133, _MISSING), "mknodat": (259, 33),
    "fanotify_init": (300, 262),
    # large parts of the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    # the machine
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "quotactl": (179, 60), "syslog": (103, 116), "sethostname": (170, 161),
    "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "personality": (135, 92), "vhangup": (153, 58), "iopl": (172, _MISSING),
    "ioperm": (173, _MISSING), "modify_ldt": (154, _MISSING),
}  # fmt: skip


@cache
def available() -> bool:
    """Whether this kernel filters system calls, and which numbers they have on this machine is known."""
    return os.uname().machine in _MACHINES and libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


def restrict() -> None:
    """Deny the calls of the table to every thread of this process, and the start of anything but a thread.

    Raises:
        OSError: the kernel refuses.
    """
    machine = _MACHINES[os.uname().machine]
    program = _program(machine)
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    call(_SECCOMP[machine], ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(_ALL_THREADS), filter_)


def _program(machine: int) -> bytes:
    deny = _instruction(_RETURN, _FAIL | errno.EPERM)
    steps = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, _ARCHITECTURES[machine], 1, 0),
        deny,
        _instruction(_LOAD, _NUMBER),
        # The numbers from here on are those of another table that the same processor understands.
        _instruction(_AT_LEAST, _X32, 0, 1),
        deny,
        # A new process is denied, a new thread is not.  clone3 hides which of them it makes, so it is not there, and
        # the C library goes back to clone.
        _instruction(_EQUAL, _CLONE3[machine], 0, 1),
        _instruction(_RETURN, _FAIL | errno.ENOSYS),
        _instruction(_EQUAL, _CLONE[machine], 0, 4),
        _instruction(_LOAD, _FIRST_ARGUMENT),
        _instruction(_ANY_BIT, _CLONE_THREAD, 1, 0),
        deny,
        _instruction(_RETURN, _ALLOW),
    ]
    for numbers in _DENIED.values():
        if numbers[machine] != _MISSING:
            steps += [_instruction(_EQUAL, numbers[machine], 0, 1), deny]
    steps.append(_instruction(_RETURN, _ALLOW))
    return b"".join(steps)


def _instruction(code: int, operand: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, operand)
