"""Writing an image to a device, and only to one that can be spared; what was written is read back."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from plasm.errors import UnreadableInput, UnwritableOutput
from plasm_boot.errors import DeviceRefused

_CHUNK: Final = 4 * 1024**2
_QCOW2: Final = b"QFI\xfb"
_SECTOR: Final = 512
_BLKRRPART: Final = 0x125F
_BLKFLSBUF: Final = 0x1261

Progress = Callable[[int], None]


@frozen
class Device:
    """A device as the kernel describes it: ``size`` in bytes; ``uses`` say where it, or a partition of it, is mounted
    or what else it serves; ``is_whole`` is false for a partition."""

    path: Path
    size: int
    is_block: bool
    is_removable: bool
    is_whole: bool
    model: str
    uses: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """For people who are asked whether they mean it."""
        return f"{self.path} ({', '.join(filter(None, (self.model, f'{self.size / 1e9:.1f} GB')))})"


def inspect(path: Path, system: Path = Path("/")) -> Device:
    """What the kernel says about ``path``, by its files below ``system``: sys and proc.

    Raises:
        UnwritableOutput: there is no such device.
        DeviceRefused: it is something that holds no image: a terminal, a pipe, a folder.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise UnwritableOutput(f"{path} cannot be written: {error.strerror}", hint="lsblk lists devices") from None
    if stat.S_ISREG(status.st_mode):
        return Device(path, status.st_size, is_block=False, is_removable=False, is_whole=True, model="")
    if not stat.S_ISBLK(status.st_mode):
        raise DeviceRefused(f"{path} is neither a block device nor a file", hint="lsblk lists devices")
    return describe(path, os.major(status.st_rdev), os.minor(status.st_rdev), system)


def describe(path: Path, major: int, minor: int, system: Path) -> Device:
    """The block device ``path`` with these numbers, by the files below ``system``: sys/dev/block and proc."""
    folder = (system / "sys/dev/block" / f"{major}:{minor}").resolve()
    is_whole = not (folder / "partition").exists()
    disk = folder if is_whole else folder.parent
    over_usb = "/usb" in str(folder)
    parts = [folder, *(each.parent for each in folder.glob("*/partition"))]
    return Device(
        path=path,
        size=int(_text(folder / "size") or 0) * _SECTOR,
        is_block=True,
        is_removable=over_usb or _text(disk / "removable") == "1",
        is_whole=is_whole,
        model=" ".join(filter(None, (_text(disk / "device/vendor"), _text(disk / "device/model")))),
        uses=tuple(use for part in parts for use in _uses(part, system)),
    )


def _uses(part: Path, system: Path) -> list[str]:
    numbers = _text(part / "dev")
    mounts = (line.split() for line in _text(system / "proc/self/mountinfo").splitlines())
    found = [f"{part.name} is mounted at {fields[4]}" for fields in mounts if fields[2] == numbers]
    swaps = _text(system / "proc/swaps").splitlines()[1:]
    found += [f"{part.name} is swap space" for line in swaps if line.split()[0] == f"/dev/{part.name}"]
    return found + [f"{part.name} is part of {holder.name}" for holder in sorted(part.glob("holders/*"))]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def check_image(path: Path) -> int:
    """How many bytes the raw image at ``path`` has.

    Raises:
        UnreadableInput: it cannot be read, or is not raw.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(len(_QCOW2))
            size = file.seek(0, os.SEEK_END)
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}") from None
    if begin == _QCOW2:
        raise UnreadableInput(
            f"{path} is a QCOW2 image, which is for emulators", hint="write a raw one: plasm boot image … -o image.img"
        )
    if not size:
        raise UnreadableInput(f"{path} is empty")
    return size


def check_device(device: Device, size: int, *, forced: bool) -> None:
    """Make sure that an image of ``size`` bytes may be written to ``device``.

    Raises:
        DeviceRefused: it is in use or too small; or, unless ``forced``, it is not a whole removable device.
    """
    if device.uses:
        raise DeviceRefused(f"{device.path} is in use: {'; '.join(device.uses)}", hint="unmount it first")
    if device.is_block and device.size < size:
        raise DeviceRefused(
            f"{device.title} is too small for an image of {size / 1e9:.1f} GB", hint="take a larger one"
        )
    if forced:
        return
    if not device.is_block:
        raise DeviceRefused(f"{device.path} is not a block device", hint="copy the file, or say --force")
    if not device.is_whole:
        raise DeviceRefused(f"{device.path} is a partition, not a whole device", hint="name the device, or say --force")
    if not device.is_removable:
        raise DeviceRefused(
            f"{device.title} is not removable: it may be this machine's own disk", hint="if you are sure, say --force"
        )


def write(image: Path, device: Path, written: Progress, read_back: Progress) -> None:
    """Write ``image`` to ``device`` and compare what is there then; both are told how many bytes are done.

    Raises:
        UnwritableOutput: it cannot be written, or what is there afterwards is something else.
        UnreadableInput: the image cannot be read.
    """
    # The kernel gives a device that somebody has mounted to nobody who wants it exclusively.
    exclusively = os.O_EXCL if device.is_block_device() else 0
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC | exclusively)
    except OSError as error:
        raise UnwritableOutput(f"{device} cannot be written: {error.strerror}", hint="as root, perhaps") from None
    with os.fdopen(descriptor, "r+b", buffering=0) as target:
        _copy(image, target.fileno(), device, written)
        _compare(image, target.fileno(), device, read_back)
        with contextlib.suppress(OSError):  # a file has no partitions
            fcntl.ioctl(target, _BLKRRPART)


def _copy(image: Path, target: int, device: Path, written: Progress) -> None:
    done = 0
    for chunk in _chunks(image):
        view = memoryview(chunk)
        with _failing(device, done):
            while view:
                view = view[os.write(target, view) :]
        done += len(chunk)
        written(done)
    with _failing(device, done):
        os.fsync(target)


def _compare(image: Path, target: int, device: Path, read_back: Progress) -> None:
    # From the device itself, not from what the kernel remembers of it.
    with contextlib.suppress(OSError):
        fcntl.ioctl(target, _BLKFLSBUF)
    os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)
    os.lseek(target, 0, os.SEEK_SET)
    done = 0
    for chunk in _chunks(image):
        with _failing(device, done):
            there = _read(target, len(chunk))
        if there != chunk:
            raise UnwritableOutput(
                f"{device} does not hold what was written, from byte {done} on", hint="it is worn out or a fake"
            )
        done += len(chunk)
        read_back(done)


def _chunks(image: Path) -> Iterator[bytes]:
    try:
        with image.open("rb") as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise UnreadableInput(f"{image} cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def _failing(device: Path, done: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnwritableOutput(
            f"{device} failed after {done} bytes: {error.strerror}", hint="it may be full or worn out: take another"
        ) from None


def _read(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data
