"""The partitions that matter to a booting machine: its boot medium, read only, and the one that may be written.

No other block device is ever mounted, and in a mode without writes no ext4 at all: mounting that, even read-only,
replays its journal onto the disk.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from attrs import frozen

from plasm_boot.errors import MediumMissing
from plasm_boot.linux import disks, modules, syscalls
from plasm_boot.linux.superblocks import FileSystem
from plasm_boot.settings import MEDIA_LABEL, STATE_LABEL
from plasm_boot.stage1.devices import Devices

MEDIUM: Final = Path("/medium")
STATE: Final = Path("/state")
_SECONDS_FOR_A_DISK: Final = 5.0
_SECONDS_FOR_THE_MEDIUM: Final = 30.0


@frozen
class StatePartition:
    """The mounted partition that may be written; ``identifier`` is the UUID of its file system."""

    identifier: str
    memory: Path = STATE / "phase/tuf"
    repository: Path = STATE / "phase"
    artifacts: Path = STATE / "phase/artifacts"


def mount_medium(devices: Devices) -> Path:
    """The folder with what is on the boot medium; nothing on it can be written.

    Raises:
        MediumMissing: no such medium appears, or it cannot be read.
    """
    if not devices.wait_for(lambda: _find("vfat", MEDIA_LABEL) is not None, _SECONDS_FOR_THE_MEDIUM):
        raise MediumMissing(
            f"there is no boot medium: no FAT32 partition has the label {MEDIA_LABEL}",
            hint="leave the medium in the machine until it has booted",
        )
    mount_present_medium()
    return MEDIUM


def mount_present_medium() -> None:
    """Mount the boot medium where it is there now.

    Raises:
        MediumMissing: it cannot be read.
    """
    found = _find("vfat", MEDIA_LABEL)
    if found is not None and not os.path.ismount(MEDIUM):
        modules.load(["vfat", "nls_cp437", "nls_iso8859-1", "nls_ascii", "nls_utf8"])
        flags = syscalls.READ_ONLY | syscalls.NO_SUID | syscalls.NO_DEVICES | syscalls.NO_EXECUTION
        _mount(found[0], MEDIUM, "vfat", flags)


def mount_state(devices: Devices) -> StatePartition | None:
    """The partition that may be written, with its folders; ``None`` where this machine has none.

    Raises:
        MediumMissing: there is one that cannot be used.
    """

    def any_of_ours() -> bool:
        return _find("ext4", STATE_LABEL) is not None or _find("vfat", MEDIA_LABEL) is not None

    devices.wait_for(any_of_ours, _SECONDS_FOR_A_DISK)
    found = _find("ext4", STATE_LABEL)
    if found is None:
        return None
    if not os.path.ismount(STATE):
        modules.load(["ext4"])
        _mount(found[0], STATE, "ext4", syscalls.NO_SUID | syscalls.NO_DEVICES | syscalls.NO_EXECUTION)
    state = StatePartition(found[1].identifier)
    try:
        for folder in (state.memory, state.artifacts):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        release()
        raise MediumMissing(
            f"{found[0]} cannot keep anything: {error.strerror}", hint="check its file system, or write the medium anew"
        ) from None
    return state


def release() -> None:
    """Unmount what is mounted, so that the next kernel finds clean file systems."""
    for folder in (MEDIUM, STATE):
        if os.path.ismount(folder):
            syscalls.unmount(str(folder))


def _find(kind: str, label: str) -> tuple[str, FileSystem] | None:
    return next((each for each in disks.file_systems() if (each[1].kind, each[1].label) == (kind, label)), None)


def _mount(device: str, folder: Path, kind: str, flags: int) -> None:
    folder.mkdir(exist_ok=True)
    try:
        syscalls.mount(device, str(folder), kind, flags)
    except OSError as error:
        raise MediumMissing(
            f"{device} cannot be mounted: {error.strerror}", hint="check the medium, or write it anew"
        ) from None
