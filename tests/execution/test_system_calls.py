"""The filter of system calls, for both architectures: fed with calls by a machine of the tests' own."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from execution import bpf
from execution.denied_calls import NEVER

from plasm.execution.worker.confinement import seccomp, system_calls
from plasm.execution.worker.confinement.system_calls import AARCH64, X86_64, Machine, Numbers

WORKER, OTHER = 4711, 4712
MACHINES: tuple[Machine, ...] = (X86_64, AARCH64)
NAMES = ("x86-64", "aarch64")
NATIVE = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
I386, ARM = 0x40000003, 0x40000028

DENIED = bpf.FAIL | errno.EPERM
ABSENT = bpf.FAIL | errno.ENOSYS

# clone(2), mmap(2), open(2), fcntl(2), ioctl(2), prctl(2), madvise(2), socketpair(2)
PTHREAD, NEW_PROCESS, VFORK, CLONE_NEWUSER, CLONE_NEWNS = 0x3D0F00, 0x1200011, 0x4111, 0x10000000, 0x20000
MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_HUGETLB, MAP_STACK = 0x1, 0x2, 0x20, 0x100, 0x40000, 0x20000
O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_CLOEXEC = 0x1, 0x2, 0x40, 0x200, 0x80000
F_GETFL, F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETPIPE_SZ, F_DUPFD_CLOEXEC = 3, 8, 10, 15, 1031, 1030
TCGETS, TIOCSTI, FIONBIO, TIOCLINUX, FICLONE = 0x5401, 0x5412, 0x5421, 0x541C, 0x40049409
PR_SET_NAME, PR_SET_DUMPABLE, PR_SET_MM, PR_SET_PTRACER, PR_SCHED_CORE = 15, 4, 35, 0x59616D61, 62
MADV_DONTNEED, MADV_MERGEABLE, MADV_PAGEOUT, MADV_HWPOISON = 4, 12, 21, 100
AF_UNIX, AF_TIPC, SOCK_STREAM, SOCK_DGRAM, SOCK_NONBLOCK_CLOEXEC = 1, 30, 1, 2, 0x80800
AT_FDCWD = -100


def answers(machine: Machine, *, writes_files: bool = False, truncation_governed: bool = True) -> bytes:
    calls = system_calls.verdicts(machine, WORKER, writes_files=writes_files, truncation_governed=truncation_governed)
    return seccomp.program(machine, calls)


def by_name(name: str, machine: Machine) -> int | None:
    numbers = {
        **system_calls.ALWAYS, **system_calls.WRITING_FILES, **system_calls.CHECKED, **system_calls.DEPENDENT
    }  # fmt: skip
    return numbers[name][machine]


def numbered(calls: Mapping[str, Numbers]) -> list[Any]:
    """Each call on each machine that has it."""
    return [
        pytest.param(machine, numbers[machine], id=f"{name}-{NAMES[machine]}")
        for name, numbers in calls.items()
        for machine in MACHINES
        if numbers[machine] is not None
    ]


each_machine = pytest.mark.parametrize("machine", MACHINES, ids=NAMES)


@pytest.mark.parametrize(("machine", "number"), numbered(NEVER))
def test_what_leads_out_of_the_process_is_denied(machine: Machine, number: int) -> None:
    for writes_files in (False, True):
        program = answers(machine, writes_files=writes_files)
        for arguments in ((), (WORKER,), (OTHER,), (1, 1, 1, 1, 1, 1)):
            assert bpf.outcome(program, NATIVE[machine], number, arguments) == DENIED


@each_machine
@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("prlimit64", (0, 2), True),
        ("prlimit64", (WORKER, 2), True),
        ("prlimit64", (OTHER, 2), False),
        ("prlimit64", (2**32 | OTHER, 2), False),  # the kernel looks at the low half too
        ("sched_setaffinity", (0, 8), True),
        ("sched_setaffinity", (OTHER, 8), False),
        ("tgkill", (WORKER, OTHER, 6), True),  # a thread of its own
        ("tgkill", (OTHER, OTHER, 0), False),
        ("tgkill", (0, WORKER, 6), False),
        ("clone", (PTHREAD,), True),
        ("clone", (NEW_PROCESS,), False),
        ("clone", (VFORK,), False),
        ("clone", (PTHREAD | CLONE_NEWUSER,), False),
        ("clone", (PTHREAD | CLONE_NEWNS,), False),
        ("mmap", (0, 1, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK), True),
        ("mmap", (0, 1, 5, MAP_PRIVATE), True),
        ("mmap", (0, 1, 3, MAP_SHARED | MAP_ANONYMOUS), False),
        ("mmap", (0, 1, 1, MAP_SHARED), False),
        ("mmap", (0, 1, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN), False),
        ("mmap", (0, 1, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB), False),
        ("madvise", (0, 1, MADV_DONTNEED), True),
        ("madvise", (0, 1, MADV_MERGEABLE), False),
        ("madvise", (0, 1, MADV_PAGEOUT), False),
        ("madvise", (0, 1, MADV_HWPOISON), False),
        ("openat", (AT_FDCWD, 1, O_CLOEXEC), True),
        ("openat", (AT_FDCWD, 1, O_WRONLY | O_CREAT | O_TRUNC), True),
        ("openat", (AT_FDCWD, 1, O_RDWR | O_TRUNC), True),
        ("openat", (AT_FDCWD, 1, O_TRUNC), False),
        ("openat", (AT_FDCWD, 1, O_TRUNC | O_CREAT | O_CLOEXEC), False),
        ("fcntl", (0, F_GETFL), True),
        ("fcntl", (0, F_DUPFD_CLOEXEC), True),
        ("fcntl", (0, F_SETOWN, OTHER), False),
        ("fcntl", (0, F_SETOWN_EX, OTHER), False),
        ("fcntl", (0, F_SETSIG, 9), False),
        ("fcntl", (0, F_SETPIPE_SZ, 2**20), False),
        ("ioctl", (0, TCGETS), True),
        ("ioctl", (0, FIONBIO), True),
        ("ioctl", (0, TIOCSTI), False),
        ("ioctl", (0, TIOCLINUX), False),
        ("ioctl", (0, FICLONE), False),
        ("prctl", (PR_SET_NAME,), True),
        ("prctl", (PR_SET_DUMPABLE, 1), False),
        ("prctl", (PR_SET_MM,), False),
        ("prctl", (PR_SET_PTRACER,), False),
        ("prctl", (PR_SCHED_CORE,), False),
        ("socketpair", (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK_CLOEXEC), True),
        ("socketpair", (AF_UNIX, SOCK_DGRAM), False),
        ("socketpair", (AF_TIPC, SOCK_STREAM), False),
    ],
)
def test_calls_are_allowed_by_their_arguments(
    machine: Machine, name: str, arguments: tuple[int, ...], *, allowed: bool
) -> None:
    number = by_name(name, machine)
    assert number is not None
    assert bpf.outcome(answers(machine), NATIVE[machine], number, arguments) == (bpf.ALLOW if allowed else DENIED)


@pytest.mark.parametrize(("machine", "number"), numbered(system_calls.WRITING_FILES))
def test_only_a_job_with_writable_folders_moves_and_removes_files(machine: Machine, number: int) -> None:
    assert bpf.outcome(answers(machine), NATIVE[machine], number) == DENIED
    assert bpf.outcome(answers(machine, writes_files=True), NATIVE[machine], number) == bpf.ALLOW


@each_machine
def test_what_hides_its_arguments_in_memory_does_not_exist(machine: Machine) -> None:
    clone3, openat2 = 435, 437
    for writes_files, truncation_governed in product((False, True), repeat=2):
        program = answers(machine, writes_files=writes_files, truncation_governed=truncation_governed)
        assert bpf.outcome(program, NATIVE[machine], clone3) == ABSENT
        assert bpf.outcome(program, NATIVE[machine], openat2) == (bpf.ALLOW if truncation_governed else ABSENT)


@each_machine
def test_truncating_by_path_needs_a_landlock_that_looks_at_it(machine: Machine) -> None:
    number = by_name("truncate", machine)
    assert number is not None
    for writes_files, truncation_governed in product((False, True), repeat=2):
        program = answers(machine, writes_files=writes_files, truncation_governed=truncation_governed)
        allowed = writes_files and truncation_governed
        assert bpf.outcome(program, NATIVE[machine], number) == (bpf.ALLOW if allowed else DENIED)


@each_machine
@pytest.mark.parametrize("number", [451, 470, 1000, 0x40000000, 0x40000001, 0x4000003B, 2**32 - 1])
def test_a_call_that_is_newer_than_the_table_does_not_exist(machine: Machine, number: int) -> None:
    """Those of x32 among them, which the same processor understands."""
    assert bpf.outcome(answers(machine), NATIVE[machine], number) == ABSENT


@each_machine
def test_calls_of_another_architecture_are_denied(machine: Machine) -> None:
    program = answers(machine, writes_files=True)
    for architecture in {I386, ARM, *NATIVE.values()} - {NATIVE[machine]}:
        for number in range(500):
            assert bpf.outcome(program, architecture, number) == DENIED


@each_machine
@pytest.mark.parametrize(("writes_files", "truncation_governed"), list(product((False, True), repeat=2)))
def test_the_filter_says_what_the_rules_say(machine: Machine, *, writes_files: bool, truncation_governed: bool) -> None:
    rules = system_calls.verdicts(machine, WORKER, writes_files=writes_files, truncation_governed=truncation_governed)
    program = seccomp.program(machine, rules)
    for number in range(500):
        verdict = rules.get(number, errno.EPERM if number <= system_calls.NEWEST_DENIED else errno.ENOSYS)
        for given in (0, 1, 2, 3, 15, WORKER, PTHREAD, O_TRUNC, MAP_PRIVATE | MAP_ANONYMOUS, 2**32 + 1, 2**64 - 1):
            if isinstance(verdict, int):
                expected = bpf.FAIL | verdict
            else:
                holds = all(given & mask in values for _argument, values, mask in verdict)
                expected = bpf.ALLOW if holds else DENIED
            assert bpf.outcome(program, NATIVE[machine], number, [given] * 6) == expected


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        (X86_64, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        (AARCH64, "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_the_numbers_are_those_of_the_kernels_headers(machine: Machine, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("the kernel's headers are not installed")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text())
    numbers = {name: int(number) for name, number in found}
    if machine == AARCH64:
        numbers["newfstatat"] = numbers.pop("fstatat")
    tables = (system_calls.ALWAYS, system_calls.WRITING_FILES, system_calls.CHECKED, system_calls.DEPENDENT, NEVER)
    for table in tables:
        for name, both in table.items():
            assert numbers.get(name) == both[machine], name
