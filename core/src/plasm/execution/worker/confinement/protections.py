"""What a kernel may lack of what confines workers, and what confinement leaves: the words for those who run a node."""

from __future__ import annotations

from typing import Final, NamedTuple

from plasm.execution.worker.confinement import landlock, seccomp


class Protection(NamedTuple):
    """What a kernel may have or lack, and what a worker that a module has taken over is then kept from."""

    name: str
    since: str
    keeps: str
    without: str


PROTECTIONS: Final = (
    Protection(
        "seccomp",
        "Linux 3.17, x86-64 and arm64",
        "network, programs, processes, what belongs to other processes, and files but by opening them",
        "system calls are kept from jobs by the runtime alone",
    ),
    Protection(
        "landlock",
        "Linux 5.13, where it is turned on",
        "opening, making, removing and listing files outside of the job's folders",
        "files are kept from jobs by the runtime alone",
    ),
    Protection(
        "landlock-refer",
        "Linux 5.19 (ABI 2)",
        "nothing more; lets jobs move and link files from one folder to another",
        "a job can move and link files within one folder only",
    ),
)
"""Later versions of Landlock keep a worker from what seccomp keeps it from already: truncating files by path (ABI 3),
TCP (4), commands to devices (5), signals and abstract sockets (6)."""

GAPS: Final = (
    "ask whether a file exists, and for its size, mode and times, where the node's user may",
    "where its job has a writable folder: set the times of any file of the node's user, and make files without number",
    "take memory up to what the largest job may have (4.25 GiB), whatever its own job may",
    "start threads up to the user's limit on processes, and use processors until it is ended",
)
"""What a worker that a module has taken over can still do, on any kernel."""


def missing() -> dict[str, str]:
    """What this kernel lacks of :data:`PROTECTIONS`, by name, each with what that means for jobs."""
    present = {
        "seccomp": seccomp.available(),
        "landlock": landlock.abi() > 0,
        "landlock-refer": landlock.abi() not in range(1, landlock.REFER_ABI),
    }
    return {each.name: each.without for each in PROTECTIONS if not present[each.name]}
