"""A built system is run as it is: what the machine gets, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from boot.built import run_plasm, unpack_cpio

from plasm_boot import emulator
from plasm_boot.building.archives import write_cpio
from plasm_boot.building.contents import file
from plasm_boot.errors import Untrusted
from plasm_boot.settings import STAGE2_ROOTFS
from plasm_boot.system import SYSTEM, System, SystemFile, SystemFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A system for arm64 with little in it."""
    made = tmp_path / "build" / "local"
    made.mkdir(parents=True)
    (made / "kernel").write_bytes(b"kernel")
    (made / "rootfs.squashfs").write_bytes(b"root file system")
    with (made / "initramfs").open("wb") as archive:
        write_cpio({"init": file("stage 2", 0o755)}, archive, 0)
    names = ("kernel", "initramfs", "rootfs.squashfs")
    files = SystemFiles(*(SystemFile.of(made / name) for name in names))
    system = System("local", "aarch64", "console=ttyAMA0", datetime(2026, 1, 1, tzinfo=UTC), files)
    (made / SYSTEM).write_bytes(system.to_bytes())
    return made


def test_the_machine_is_the_systems_and_boots_its_kernel(folder: Path, tmp_path: Path) -> None:
    machine = emulator.machine_of(folder, tmp_path, "quiet")
    assert (machine.arch, machine.kernel) == ("aarch64", folder / "kernel")
    assert machine.append == "console=ttyAMA0 quiet"
    assert emulator.command(machine)[:3] == ["qemu-system-aarch64", "-M", "virt"]


def test_the_root_file_system_follows_the_initramfs(folder: Path, tmp_path: Path) -> None:
    machine = emulator.machine_of(folder, tmp_path)
    assert machine.initrd is not None
    joined = machine.initrd.read_bytes()
    first = (folder / "initramfs").read_bytes()
    assert joined.startswith(first)
    assert unpack_cpio(joined[len(first) :]) == {STAGE2_ROOTFS: b"root file system"}


@pytest.mark.parametrize("name", ["initramfs", "rootfs.squashfs"])
def test_files_that_are_not_those_described_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes().replace(b"s", b"z"))
    with pytest.raises(Untrusted, match=name):
        emulator.machine_of(folder, tmp_path)


def test_a_folder_without_a_system_is_refused(tmp_path: Path) -> None:
    run_plasm("run", tmp_path, status=125)
