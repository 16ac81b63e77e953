"""QEMU with UEFI firmware, as a command: what a machine is given, and which accelerator really works here."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from attrs import frozen

from plasm.errors import InvalidInput
from plasm_boot.building.run import find
from plasm_boot.errors import ToolMissing
from plasm_boot.manifest import Artifact
from plasm_boot.settings import EMULATOR_ARGUMENTS
from plasm_boot.stage1 import handover
from plasm_boot.system import System, SystemFile

Accelerator = Literal["kvm", "tcg"]

# Where Debian and its relatives have the firmware: the code, and the variables to begin with.
_FIRMWARE: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "x86_64": (
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ),
    "aarch64": (("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),),
}
_PACKAGES: Final = {"x86_64": "qemu-system-x86 ovmf", "aarch64": "qemu-system-arm qemu-efi-aarch64"}
_MACHINES: Final = {"x86_64": "q35", "aarch64": "virt"}
# Pointers signed by the architecture's own cipher, in software, would take most of the time.
_EMULATED: Final = {"x86_64": "max", "aarch64": "max,pauth-impdef=on"}
_TRIAL_SECONDS: Final = 2.0

# A boot sector that tells QEMU's device for ends of tests to end: mov dx, 0xf4; mov al, 0x10; out dx, al; hlt; jmp -3.
# QEMU's status then is twice the number, and one; its failures have status 1.
_TRIAL: Final = bytes.fromhex("baf400b010eef4ebfd").ljust(510, b"\0") + b"\x55\xaa" + bytes(2**20)
_TRIAL_STATUS: Final = 0x10 << 1 | 1


@frozen
class Machine:
    """A machine to emulate.  ``image`` is a raw or QCOW2 image to boot from; or ``kernel``, ``initrd`` and ``append``
    are booted without firmware.  ``memory`` is in MiB.

    ``network`` is ``user`` for QEMU's own, behind which the host is 10.0.2.2, ``none``, or a ``-netdev`` of QEMU's with
    the id ``net0``.  ``forward`` are ports of the host and of the machine, with ``user`` only.  ``arguments`` are said
    to stage 1 besides its kernel's command line.  ``serial`` is a character device of QEMU's.
    """

    image: Path | None = None
    kernel: Path | None = None
    initrd: Path | None = None
    append: str = ""
    arguments: str = ""
    arch: str = "x86_64"
    memory: int = 2048
    cpus: int = 2
    accelerator: Accelerator = "tcg"
    network: str = "user"
    forward: tuple[tuple[int, int], ...] = ()
    mac: str = "52:54:00:12:34:56"
    serial: str = "mon:stdio"
    snapshot: bool = False
    variables: Path | None = None
    extra: tuple[str, ...] = ()


def command(machine: Machine) -> list[str]:
    """The command that runs ``machine``, without a screen.

    ``variables`` has to be a copy of :func:`firmware`'s second file: firmware writes into it.

    Raises:
        ToolMissing: the firmware is not here.
    """
    words = [
        f"qemu-system-{machine.arch}",
        *_processor(machine.arch, machine.accelerator),
        *("-smp", str(machine.cpus), "-m", str(machine.memory)),
        *("-nodefaults", "-display", "none", "-serial", machine.serial),
        *("-device", "virtio-rng-pci"),
    ]
    if machine.kernel:
        words += ["-kernel", str(machine.kernel), "-append", machine.append]
        words += ["-initrd", str(machine.initrd)] if machine.initrd else []
    else:
        code, _ = firmware(machine.arch)
        words += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_escaped(code)}"]
        if machine.variables:
            words += ["-drive", f"if=pflash,unit=1,format=raw,file={_escaped(machine.variables)}"]
    if machine.image:
        form = "qcow2" if machine.image.suffix == ".qcow2" else "raw"
        keep = ",snapshot=on" if machine.snapshot else ""
        words += ["-drive", f"if=none,id=disk0,format={form}{keep},file={_escaped(machine.image)}"]
        words += ["-device", "virtio-blk-pci,drive=disk0,bootindex=0"]
    if machine.arguments:
        words += ["-fw_cfg", f"name={EMULATOR_ARGUMENTS},string={_escaped(machine.arguments)}"]
    return [*words, *_network(machine), *machine.extra]


def machine_of(folder: Path, work: Path, more: str = "") -> Machine:
    """A machine that boots the built system in ``folder`` at once, as if its first stage had verified it.

    ``work`` is where its initramfs is made; ``more`` comes behind the system's own command line.

    Raises:
        UnreadableInput: there is no system.
        InvalidSystem: what is there is none.
        Untrusted: its files are not those that it describes.
    """
    system = System.read(folder)
    initrd = work / "initrd"
    with initrd.open("wb") as into:
        handover.join(_described(folder, system.files.initramfs), _described(folder, system.files.rootfs), into)
    kernel = folder / system.files.kernel.name
    return Machine(kernel=kernel, initrd=initrd, append=f"{system.cmdline} {more}".strip(), arch=system.arch)


def firmware(arch: str) -> tuple[Path, Path]:
    """The UEFI firmware for ``arch`` that is installed here: its code, and its variables to begin with.

    Raises:
        ToolMissing: there is none.
    """
    for code, variables in _FIRMWARE[arch]:
        if Path(code).exists() and Path(variables).exists():
            return Path(code), Path(variables)
    raise ToolMissing(f"there is no UEFI firmware for {arch} here", hint=f"on Debian: apt install {_PACKAGES[arch]}")


def emulator(arch: str) -> str:
    """Where QEMU for ``arch`` is.

    Raises:
        ToolMissing: it is not installed.
    """
    program = find(f"qemu-system-{arch}")
    if program is None:
        raise ToolMissing(f"qemu-system-{arch} is not installed here", hint=f"on Debian: apt install {_PACKAGES[arch]}")
    return program


def accelerator(arch: str) -> Accelerator:
    """KVM where a guest runs under it and ends, and else TCG.

    That /dev/kvm exists says little: below another hypervisor a guest may start and never get anywhere.  So one that
    does nothing but end is tried.
    """
    native = os.uname().machine == arch == "x86_64"
    return "kvm" if native and Path("/dev/kvm").exists() and trial_guest_ends("kvm") else "tcg"


def trial_guest_ends(accelerator: Accelerator) -> bool:
    """Whether the smallest x86_64 guest, a boot sector, ends within two seconds under ``accelerator``.

    Raises:
        ToolMissing: QEMU is not installed.
    """
    words = [emulator("x86_64"), *_processor("x86_64", accelerator), "-m", "64", "-nodefaults", "-display", "none"]
    with tempfile.NamedTemporaryFile(prefix="plasm-trial-") as disk:
        disk.write(_TRIAL)
        disk.flush()
        words += ["-device", "isa-debug-exit,iobase=0xf4", "-drive", f"format=raw,file={disk.name}"]
        try:
            done = subprocess.run(words, capture_output=True, timeout=_TRIAL_SECONDS, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == _TRIAL_STATUS


def copy_variables(arch: str, to: Path) -> Path:
    """A copy of the firmware's variables, which it may write into."""
    _, variables = firmware(arch)
    shutil.copyfile(variables, to)
    return to


def parse_forwards(texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """``HOST:MACHINE`` each, two TCP ports.

    Raises:
        InvalidInput: one that is not of this form.
    """
    found = []
    for text in texts:
        ours, separator, theirs = text.partition(":")
        if not separator or not _is_port(ours) or not _is_port(theirs):
            raise InvalidInput(f"{text!r} are not two ports", hint="write HOST:MACHINE, like 8080:80")
        found.append((int(ours), int(theirs)))
    return tuple(found)


def _processor(arch: str, accelerator: Accelerator) -> list[str]:
    cpu, how = ("host", "kvm") if accelerator == "kvm" else (_EMULATED[arch], "tcg,thread=multi")
    return ["-M", _MACHINES[arch], "-cpu", cpu, "-accel", how]


def _described(folder: Path, file: SystemFile) -> tuple[Path, Artifact]:
    return folder / file.name, Artifact(f"sha256:{file.sha256}", file.size, (f"artifacts/{file.sha256}",))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 2**16


def _network(machine: Machine) -> list[str]:
    if machine.network == "none":
        return ["-nic", "none"]
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{ours}-:{theirs}" for ours, theirs in machine.forward)
    netdev = f"user,id=net0{forwards}" if machine.network == "user" else machine.network
    return ["-netdev", netdev, "-device", f"virtio-net-pci,netdev=net0,mac={machine.mac}"]


def _escaped(value: Path | str) -> str:
    """QEMU parts options by commas; two of them are one."""
    return str(value).replace(",", ",,")
