"""Which kernel modules go where, with what they depend on, and the indexes by which modprobe finds them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from plasm_boot.building.contents import Contents, file
from plasm_boot.building.debian import Debian
from plasm_boot.building.run import run

TOOLS: Final = ("depmod",)

# What disks hang on: those of virtual machines, and of real ones.
VIRTUAL_DISKS: Final = (
    "virtio", "virtio_ring", "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi",
    "hv_vmbus", "hv_storvsc", "xen-blkfront", "vmw_pvscsi",
)  # fmt: skip
DISKS: Final = (
    "sd_mod", "sr_mod", "cdrom", "ahci", "ata_piix", "nvme", "megaraid_sas", "mptspi", "mptsas",
    "usb-storage", "uas", "xhci-pci", "ehci-pci", "uhci-hcd", "mmc_block", "sdhci-pci", "sdhci-acpi",
)  # fmt: skip
FILE_SYSTEMS: Final = ("ext4", "squashfs", "overlay")
# The boot medium's, and what its names are written in.
MEDIUM: Final = ("vfat", "nls_cp437", "nls_iso8859-1", "nls_utf8", "nls_ascii")
INTEGRITY: Final = ("loop", "dm-mod", "dm-verity")
# For keyboards at the rescue menu, for randomness, and for what firmware and emulators have to say.
PERIPHERALS: Final = (
    "virtio_console", "virtio_rng", "virtio_balloon", "usbhid", "hid-generic", "efivarfs", "qemu_fw_cfg",
)  # fmt: skip
NETWORK: Final = (
    "af_packet", "ipv6", "virtio_net", "net_failover", "hv_netvsc", "xen-netfront", "vmxnet3", "ena", "gve",
    "e1000", "e1000e", "igb", "igc", "ixgbe", "r8169", "tg3", "bnxt_en", "mlx5_core",
)  # fmt: skip
NETWORK_FOLDERS: Final = ("kernel/drivers/net/ethernet", "kernel/drivers/net/phy", "kernel/drivers/net/usb")
FIREWALL: Final = (
    "nf_tables", "nf_conntrack", "nft_ct", "nft_reject", "nft_reject_inet", "nft_limit", "nft_log", "nft_chain_nat",
)  # fmt: skip

STAGE1: Final = (*VIRTUAL_DISKS, *DISKS, *FILE_SYSTEMS, *MEDIUM, *INTEGRITY, *PERIPHERALS)
"""What stage 1 needs whatever the mode."""
STAGE2: Final = (*VIRTUAL_DISKS, *DISKS, *FILE_SYSTEMS, *INTEGRITY)
"""The small initramfs mounts the root file system from memory, and the partition that keeps state."""
ROOTFS: Final = (*STAGE1, *NETWORK, *FIREWALL, "autofs4")


def modules(debian: Debian, names: Iterable[str], folders: Iterable[str] = ()) -> Contents:
    """These modules, those in ``folders`` of the kernel's, and all that they depend on, ready for modprobe.

    A name that this kernel does not have as a module is passed over: it is built in, or for other machines.
    """
    _index(debian)
    paths = {_name(path): path for path in _order(debian)}
    under = tuple(f"{folder}/" for folder in folders)
    todo = [path for path in paths.values() if path.startswith(under)] if under else []
    todo += [paths[name] for name in map(_canonical, names) if name in paths]
    needs, wants = _dependencies(debian), _soft_dependencies(debian, paths)
    wanted: set[str] = set()
    while todo:
        path = todo.pop()
        if path not in wanted:
            wanted.add(path)
            todo.extend((*needs.get(path, ()), *wants.get(path, ())))
    return _indexed(debian, wanted)


def _indexed(debian: Debian, wanted: Iterable[str]) -> Contents:
    with tempfile.TemporaryDirectory(prefix="plasm-modules-") as temporary:
        base = Path(temporary) / "lib/modules" / debian.kernel_version
        for path in wanted:
            (base / path).parent.mkdir(parents=True, exist_ok=True)
            (base / path).symlink_to((debian.modules / path).absolute())
        base.mkdir(parents=True, exist_ok=True)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy(debian.modules / name, base)
        run("depmod", "-b", temporary, debian.kernel_version)
        at = f"usr/lib/modules/{debian.kernel_version}"
        contents = {f"{at}/{path}": file(debian.modules / path) for path in sorted(wanted)}
        for index in base.glob("modules.*"):
            contents[f"{at}/{index.name}"] = file(index.read_bytes())
        return contents


def _order(debian: Debian) -> list[str]:
    return (debian.modules / "modules.order").read_text().split()


def _index(debian: Debian) -> None:
    if not (debian.modules / "modules.dep").exists():
        run("depmod", "-b", debian.kernel, debian.kernel_version)


def _dependencies(debian: Debian) -> dict[str, list[str]]:
    lines = (line.partition(":") for line in (debian.modules / "modules.dep").read_text().splitlines())
    return {path: needs.split() for path, _, needs in lines}


def _soft_dependencies(debian: Debian, paths: Mapping[str, str]) -> dict[str, list[str]]:
    """What modules have loaded by its name or what it is for: without CRC-32C, say, neither ext4 nor nftables work, and
    most kernels have that as a module.  ``paths`` are those of all modules."""
    called: dict[str, list[str]] = {name: [path] for name, path in paths.items()}
    for line in (debian.modules / "modules.alias").read_text().splitlines():
        keyword, alias, name = line.split(maxsplit=2)
        if keyword == "alias" and name in paths:
            called.setdefault(_canonical(alias), []).append(paths[name])
    found: dict[str, list[str]] = {}
    for line in (debian.modules / "modules.softdep").read_text().splitlines():
        keyword, name, *wanted = line.split()
        if keyword == "softdep" and name in paths:
            found.setdefault(paths[name], []).extend(
                path for word in wanted for path in called.get(_canonical(word), ())
            )
    return found


def _canonical(name: str) -> str:
    return name.replace("-", "_")


def _name(path: str) -> str:
    return _canonical(PurePosixPath(path).name.removesuffix(".ko"))
