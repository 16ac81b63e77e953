"""What a worker process gives up for good before it runs its first job, in case a module breaks out of its runtime.

Each module here is one mechanism of the Linux kernel; what a kernel lacks is left out, and :mod:`.protections` says
what that means.  Irrevocable: a process that has been confined stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plasm.execution.worker import rlimits
from plasm.execution.worker.confinement import kernel, landlock, seccomp
from plasm.model import Preopen


def confine(preopens: Sequence[Preopen], readable: Iterable[str]) -> None:
    """Leave this process the folders of ``preopens``, reading at and below ``readable``, and nothing that a job needs
    not: no other file, no network, no new program or process, no privilege, no other process's attention.

    Landlock takes hold of this thread and of those that it starts from now on, all else of the whole process.

    Raises:
        OSError: the kernel refuses what it offers.
    """
    writes_files = not all(preopen.mount.read_only for preopen in preopens)
    rlimits.set_hard_limits(writes_files=writes_files)
    kernel.forgo_privileges()
    if landlock.abi():
        landlock.restrict(preopens, readable)
    kernel.drop_capabilities(keep_file_access=bool(preopens))
    if seccomp.available():
        truncation_governed = landlock.abi() >= landlock.TRUNCATE_ABI
        seccomp.restrict(writes_files=writes_files, truncation_governed=truncation_governed)
