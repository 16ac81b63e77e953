"""What a worker process gives up for good before it runs its first job, in case a module breaks out of its runtime.

Each module here is one mechanism of the Linux kernel; what a kernel lacks is left out and can be asked for with
:func:`missing`.  Irrevocable: a process that has been confined stays so.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Sequence
from typing import Final

from plasm.execution.worker.confinement import kernel, landlock, seccomp
from plasm.model import Preopen

OPEN_FILES: Final = 1024


def confine(preopens: Sequence[Preopen], readable: Iterable[str]) -> None:
    """Leave this process the folders of ``preopens``, reading below ``readable``, and nothing that a job needs not:
    no other file, no network, no new program or process, no privilege.

    Landlock takes hold of this thread and of those that it starts from now on, all else of the whole process.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    kernel.forgo_privileges()
    if landlock.abi():
        landlock.restrict(preopens, readable)
    kernel.drop_capabilities(keep_file_access=bool(preopens))
    if seccomp.available():
        seccomp.restrict()


def missing() -> dict[str, str]:
    """What this kernel lacks of all this, by name, each with what it leaves to the runtime alone."""
    lacking = {}
    if not landlock.abi():
        lacking["landlock"] = "files are kept from jobs by the runtime alone"
    if not seccomp.available():
        lacking["seccomp"] = "system calls are kept from jobs by the runtime alone"
    return lacking


def interpreter_folders(path: Iterable[str]) -> list[str]:
    """What a Python process reads of its own accord: modules on ``path`` and shared libraries."""
    import sys

    found = {*path, sys.prefix, sys.base_prefix, "/usr/lib", "/usr/lib64", "/lib", "/lib64"}
    return sorted({os.path.realpath(folder) for folder in found if folder and os.path.exists(folder)})
