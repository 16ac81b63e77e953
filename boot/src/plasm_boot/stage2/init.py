"""Process 1 of stage 2's initramfs: mounts the verified root file system and hands over to systemd in it.

::

    phase/rootfs.squashfs --loop--> dm-verity --> squashfs, read only  ┐
                                                  tmpfs, for changes   ┘--> overlay, the root of the system
    PHASE_STATE, where the mode has one ------------------------------------> /var/lib/plasm in it
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

from plasm_boot.linux import clock, disks, modules, syscalls
from plasm_boot.linux.aliases import load_drivers
from plasm_boot.linux.consoles import Consoles, escaped
from plasm_boot.linux.kernel_folders import mount_kernel_folders
from plasm_boot.stage2 import loop, verity
from plasm_boot.stage2.arguments import Arguments
from plasm_boot.stage2.switching import switch_root

ROOTFS: Final = "/phase/rootfs.squashfs"
ENVIRONMENT: Final = "/run/phase/environment"
"""Variables for services, from the command line: the node's, and dhcpcd's options."""
_LOWER, _CHANGES, _ROOT = "/lower", "/changes", "/root.new"
_STATE: Final = "/run/phase/state"
_MODULES: Final = ("loop", "dm_mod", "dm_verity", "squashfs", "overlay")
_SECONDS_FOR_THE_STATE: Final = 10.0
_INIT: Final = "/sbin/init"


def main() -> NoReturn:
    """Start the system, or say what is in the way and stop: there is nothing to go back to."""
    step = "mounting the kernel's file systems"
    try:
        mount_kernel_folders()
        consoles = Consoles.of_this_machine()
        _tell(consoles, "stage 2: mounting the root file system, checked block by block")
        arguments = Arguments.parse(Path("/proc/cmdline").read_text())
        step = "setting the clock"
        if arguments.passed is not None:
            clock.not_before(arguments.passed)
        step = "mounting the root file system"
        _mount_root(arguments)
        step = "mounting the state"
        _mount_state(arguments, consoles)
        _leave_environment(arguments)
        step = f"handing over to {_INIT}"
        _tell(consoles, f"stage 2: {step}")
        switch_root(_ROOT, ("/dev", "/proc", "/sys", "/run"), (os.path.dirname(ROOTFS), ROOTFS), _INIT)
    except Exception as error:
        _stop(f"stage 2 failed {step}: {error}")


def _mount_root(arguments: Arguments) -> None:
    modules.load(_MODULES)
    device = verity.open_verified(loop.attach(ROOTFS), arguments.verity, "rootfs")
    for folder in (_LOWER, _CHANGES, _ROOT):
        os.makedirs(folder, exist_ok=True)
    syscalls.mount(device, _LOWER, "squashfs", syscalls.READ_ONLY)
    syscalls.mount("tmpfs", _CHANGES, "tmpfs", 0, "mode=0755")
    for folder in ("upper", "work"):
        os.mkdir(f"{_CHANGES}/{folder}")
    layers = f"lowerdir={_LOWER},upperdir={_CHANGES}/upper,workdir={_CHANGES}/work"
    syscalls.mount("overlay", _ROOT, "overlay", 0, layers)


def _mount_state(arguments: Arguments, consoles: Consoles) -> None:
    """The node's state on the partition that stage 1 named; without it the node starts afresh, and that is said."""
    if arguments.state is None:
        return
    load_drivers()
    device = _device_of(arguments.state)
    if device is None:
        consoles.write(f"phase: the file system {escaped(arguments.state)} is gone; state is kept until power off\r\n")
        return
    modules.load(["ext4"])
    try:
        os.makedirs(_STATE, exist_ok=True)
        syscalls.mount(device, _STATE, "ext4", syscalls.NO_SUID | syscalls.NO_DEVICES)
        for folder in (f"{_STATE}/plasm", f"{_ROOT}/var/lib/plasm"):
            os.makedirs(folder, mode=0o700, exist_ok=True)
        syscalls.mount(f"{_STATE}/plasm", f"{_ROOT}/var/lib/plasm", "", syscalls.BIND)
    except OSError as error:
        consoles.write(f"phase: the state on {device} cannot be used: {error}; state is kept until power off\r\n")


def _device_of(identifier: str) -> str | None:
    deadline = time.monotonic() + _SECONDS_FOR_THE_STATE
    while True:
        for device, found in disks.file_systems():
            if found.kind == "ext4" and found.identifier == identifier:
                return device
        if time.monotonic() > deadline:
            return None
        time.sleep(0.2)
        load_drivers()


def _leave_environment(arguments: Arguments) -> None:
    said = {}
    if arguments.bootstrap:
        said["PLASM_BOOTSTRAP"] = ",".join(arguments.bootstrap)
    if arguments.address:
        said["PHASE_ADDRESS"] = " ".join(arguments.address.dhcpcd_options())
    os.makedirs(os.path.dirname(ENVIRONMENT), exist_ok=True)
    Path(ENVIRONMENT).write_text("".join(f'{name}="{value}"\n' for name, value in said.items()))


def _tell(consoles: Consoles, text: str) -> None:
    consoles.write(f"[{time.monotonic():5.1f} s] {text}\r\n")


def _stop(message: str) -> NoReturn:
    """Show ``message`` and end, upon which the kernel panics: the machine does what its ``panic=`` says."""
    try:
        Consoles.of_this_machine().write(f"\r\nphase: {escaped(message)}\r\n")
    finally:
        sys.exit(1)
