"""The file systems without which nothing can be seen: proc, sysfs, devtmpfs, and a tmpfs for what comes and goes."""

from __future__ import annotations

import os

from plasm_boot.linux import syscalls

_SAFE = syscalls.NO_SUID | syscalls.NO_DEVICES | syscalls.NO_EXECUTION
_MOUNTS = (
    ("proc", "/proc", "proc", _SAFE, ""),
    ("sysfs", "/sys", "sysfs", _SAFE, ""),
    ("devtmpfs", "/dev", "devtmpfs", syscalls.NO_SUID, "mode=0755"),
    # What is fetched lies below /run: half of the memory, the usual bound, may be too little for it.
    ("tmpfs", "/run", "tmpfs", syscalls.NO_SUID | syscalls.NO_DEVICES, "mode=0755,size=90%"),
)


def mount_kernel_folders() -> None:
    """Mount them where they are not yet.

    Raises:
        OSError: the kernel has not what is needed.
    """
    for source, target, kind, flags, options in _MOUNTS:
        os.makedirs(target, exist_ok=True)
        if not os.path.ismount(target):
            syscalls.mount(source, target, kind, flags, options)
