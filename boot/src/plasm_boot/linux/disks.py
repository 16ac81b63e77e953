"""The block devices of this machine, and which file system is on each.  Reads only: nothing is opened for writing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from plasm_boot.linux.superblocks import HEADER_BYTES, FileSystem, identify

_NOT_DISKS = ("loop", "ram", "zram", "dm-", "nbd", "fd")


def file_systems() -> Iterator[tuple[str, FileSystem]]:
    """Each device with a file system that we know, like ``/dev/vda1``, in the order of their names."""
    for entry in sorted(Path("/sys/class/block").iterdir()):
        if entry.name.startswith(_NOT_DISKS) or (entry / "size").read_text().strip() == "0":
            continue
        device = f"/dev/{entry.name}"
        if found := identify(_header(device)):
            yield device, found


def _header(device: str) -> bytes:
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, HEADER_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
