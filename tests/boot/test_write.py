"""Writing an image to a device: what is refused, what is asked, and that what is there is read back."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from plasm.errors import UnreadableInput, UnwritableOutput
from plasm_boot import writing
from plasm_boot.errors import DeviceRefused
from world import Plasm, plasm_environment

IMAGE = bytes(range(256)) * 40_000
Kernel = Callable[..., Path]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.img"
    path.write_bytes(IMAGE)
    return path


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Makes the files by which a kernel describes a stick, 8:16, with a partition 8:17."""

    def make(
        removable: str = "1", mounts: str = "", swaps: str = "", bus: str = "usb1", size: int = 62_333_952
    ) -> Path:
        root = tmp_path / "kernel"
        disk = root / "sys/devices" / bus / "block/sdb"
        part = disk / "sdb1"
        (part / "holders").mkdir(parents=True)
        (disk / "device").mkdir()
        (root / "proc/self").mkdir(parents=True)
        for path, text in {
            disk / "size": str(size),
            disk / "removable": removable,
            disk / "dev": "8:16",
            disk / "device/vendor": "ACME    ",
            disk / "device/model": "Stick 3000      ",
            part / "partition": "1",
            part / "size": "2048",
            part / "dev": "8:17",
            root / "proc/self/mountinfo": mounts,
            root / "proc/swaps": f"Filename Type Size Used Priority\n{swaps}",
        }.items():
            path.write_text(f"{text}\n")
        numbers = root / "sys/dev/block"
        numbers.mkdir(parents=True)
        (numbers / "8:16").symlink_to(disk)
        (numbers / "8:17").symlink_to(part)
        return root

    return make


def stick(root: Path, minor: int = 16) -> writing.Device:
    return writing.describe(Path("/dev/sdb"), 8, minor, root)


def test_a_device_is_described_as_the_kernel_knows_it(kernel: Kernel) -> None:
    device = stick(kernel())
    assert device.title == "/dev/sdb (ACME Stick 3000, 31.9 GB)"
    assert device.is_removable
    assert device.is_whole
    assert device.uses == ()
    writing.check_device(device, len(IMAGE), forced=False)


def test_a_disk_that_is_not_removable_is_written_by_force_only(kernel: Kernel) -> None:
    disk = stick(kernel(removable="0", bus="pci0000:00/ata1"))
    with pytest.raises(DeviceRefused, match="not removable"):
        writing.check_device(disk, 1, forced=False)
    writing.check_device(disk, 1, forced=True)


def test_a_disk_on_usb_is_removable_whatever_it_says(kernel: Kernel) -> None:
    assert stick(kernel(removable="0")).is_removable


@pytest.mark.parametrize("numbers", ["8:16", "8:17"])
def test_a_mounted_device_is_never_written(kernel: Kernel, numbers: str) -> None:
    root = kernel(mounts=f"40 1 {numbers} / /media/stick rw,nosuid shared:1 - vfat /dev/sdb1 rw")
    with pytest.raises(DeviceRefused, match="mounted at /media/stick"):
        writing.check_device(stick(root), 1, forced=True)


def test_swap_space_is_never_written(kernel: Kernel) -> None:
    with pytest.raises(DeviceRefused, match="swap"):
        writing.check_device(stick(kernel(swaps="/dev/sdb1 partition 1024 0 -2")), 1, forced=True)


def test_what_another_device_is_made_of_is_never_written(kernel: Kernel) -> None:
    root = kernel()
    (root / "sys/devices/usb1/block/sdb/sdb1/holders/dm-0").mkdir()
    with pytest.raises(DeviceRefused, match="part of dm-0"):
        writing.check_device(stick(root), 1, forced=True)


def test_a_device_that_is_too_small_is_never_written(kernel: Kernel) -> None:
    with pytest.raises(DeviceRefused, match="too small"):
        writing.check_device(stick(kernel(size=100)), 51_201, forced=True)


def test_a_partition_is_written_by_force_only(kernel: Kernel) -> None:
    partition = stick(kernel(), minor=17)
    with pytest.raises(DeviceRefused, match="is a partition"):
        writing.check_device(partition, 1, forced=False)
    writing.check_device(partition, 1, forced=True)


def test_what_was_written_is_read_back(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "stick"
    target.write_bytes(bytes(len(IMAGE) + 4096))
    written: list[int] = []
    read: list[int] = []
    writing.write(image, target, written.append, read.append)
    assert target.read_bytes() == IMAGE + bytes(4096)
    assert written[-1] == read[-1] == len(IMAGE)
    assert written == sorted(written)


def test_a_device_that_forgets_is_found_out(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "stick"
    target.write_bytes(bytes(len(IMAGE)))

    def forget(done: int) -> None:
        if done == len(IMAGE):
            with target.open("r+b") as file:
                file.seek(5_000_000)
                file.write(b"\xff\xfe")

    with pytest.raises(UnwritableOutput, match="does not hold what was written"):
        writing.write(image, target, forget, lambda _: None)


def test_a_full_device_is_told(image: Path) -> None:
    with pytest.raises(UnwritableOutput, match="No space left"):
        writing.write(image, Path("/dev/full"), lambda _: None, lambda _: None)


def test_only_raw_images_are_written(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    path.write_bytes(b"QFI\xfb" + bytes(100))
    with pytest.raises(UnreadableInput, match="QCOW2"):
        writing.check_image(path)
    path.write_bytes(b"")
    with pytest.raises(UnreadableInput, match="empty"):
        writing.check_image(path)
    with pytest.raises(UnreadableInput, match="No such file"):
        writing.check_image(tmp_path / "none")


def test_the_command_refuses_what_is_no_device(plasm: Plasm, image: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    done = plasm("boot", "write", image, target, "--yes")
    assert done.returncode == 126
    assert b"error[boot-device-refused]" in done.stderr
    assert target.read_bytes() == b"precious"
    done = plasm("boot", "write", image, tmp_path / "none", "--yes")
    assert b"error[unwritable-output]" in done.stderr


@pytest.mark.parametrize("kind", ["null", "pipe", "folder"])
def test_what_can_hold_no_image_is_refused_even_by_force(plasm: Plasm, image: Path, tmp_path: Path, kind: str) -> None:
    places = {"null": Path("/dev/null"), "pipe": tmp_path / "pipe", "folder": tmp_path / "folder"}
    os.mkfifo(places["pipe"])
    places["folder"].mkdir()
    done = plasm("boot", "write", image, places[kind], "--force", "--yes")
    assert done.returncode == 126
    assert f"error[boot-device-refused]: {places[kind]} is neither a block device nor a file" in done.stderr.decode()


def test_the_command_writes_by_force_and_says_what_it_did(plasm: Plasm, image: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    done = plasm("boot", "write", image, target, "--force", "--yes", "--json")
    assert json.loads(done.stdout) == {"device": str(target), "bytes": len(IMAGE), "verified": True}
    assert target.read_bytes() == IMAGE


def test_without_a_terminal_nobody_confirms(plasm: Plasm, image: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    done = plasm("boot", "write", image, target, "--force")
    assert done.returncode != 0
    assert b"--yes" in done.stderr
    assert target.read_bytes() == b""


@pytest.mark.parametrize(("answer", "wrote"), [(b"y\n", True), (b"n\n", False)])
def test_a_person_is_asked(image: Path, tmp_path: Path, answer: bytes, wrote: bool) -> None:
    target = tmp_path / "target"
    target.touch()
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    words = [sys.executable, "-m", "plasm", "boot", "write", image, target, "--force"]
    done = subprocess.run(words, stdin=theirs, capture_output=True, check=False, timeout=60, env=plasm_environment())
    os.close(ours)
    os.close(theirs)
    assert b"will be lost" in done.stderr
    assert (target.read_bytes() == IMAGE) is wrote
    assert (done.returncode == 0) is wrote
