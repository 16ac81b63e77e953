"""An image that machines boot from: a GPT with systemd-boot on an EFI system partition, and one to keep state on.

Made on an ordinary file, without root and without loop devices.  On the EFI system partition, FAT32::

    EFI/BOOT/BOOTX64.EFI, loader/…      systemd-boot and its menu, an entry for each mode
    phase/kernels/DIGEST                a kernel, once where modes share it
    phase/<mode>/stage1, settings       the first stage, and what it looks for and trusts
    phase/repository/…                  for modes without a network: what they boot, as it was published

UEFI Specification, chapters 5 and 13; https://uapi-group.org/specifications/specs/boot_loader_specification/
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

import cattrs
from attrs import frozen

from plasm.errors import InvalidInput, UnreadableInput
from plasm_boot.building import esp
from plasm_boot.building.architectures import ARCHITECTURES
from plasm_boot.building.archives import write_cpio
from plasm_boot.building.builder import BOOT_LOADER, SETTINGS, STAGE1, console_arguments
from plasm_boot.building.contents import Contents, file
from plasm_boot.building.run import require, run
from plasm_boot.building.stage1 import settings as settings_contents
from plasm_boot.errors import InvalidSystem
from plasm_boot.settings import MEDIA_LABEL, MEDIA_REPOSITORY, STATE_LABEL, ImageSettings
from plasm_boot.system import System

TOOLS: Final = (*esp.TOOLS, "sfdisk", "mke2fs", "qemu-img")
MIN_STATE_BYTES: Final = 64 * 1024**2
_MIB: Final = 1024**2
_SECTOR: Final = 512
# For the second table of partitions at the end.
_TAIL: Final = _MIB
_ESP_TYPE: Final = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_LINUX_TYPE: Final = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
_NAMESPACE: Final = UUID("6a1cbf0e-5b1e-4d6e-9d38-93a2e1f3c1d2")
_MENU_SECONDS: Final = 5


@frozen
class Bootable:
    """A built system as an image needs it: the folder that it is in, its description and its settings."""

    folder: Path
    system: System
    settings: ImageSettings

    @classmethod
    def read(cls, folder: Path) -> Bootable:
        """The system in ``folder``.

        Raises:
            UnreadableInput: something of it is missing.
            InvalidSystem: it is not one.
        """
        system = System.read(folder)
        with _reading(folder / SETTINGS):
            data = (folder / SETTINGS).read_bytes()
        try:
            settings = ImageSettings.from_bytes(data)
        except (ValueError, AttributeError, cattrs.BaseValidationError):
            raise InvalidSystem(f"{folder / SETTINGS} is damaged", hint="build the system again") from None
        return cls(folder, system, settings)

    def part(self, name: str) -> Path:
        """The file of the build that is called ``name``.

        Raises:
            UnreadableInput: it cannot be read.
        """
        path = self.folder / name
        with _reading(path), path.open("rb"):
            return path

    def stage1(self, root: bytes) -> bytes:
        """The initramfs of its first stage, which trusts the root metadata ``root``: for machines that are given a
        kernel and an initramfs without an image."""
        return self.part(STAGE1).read_bytes() + self.trust(root)

    def trust(self, root: bytes) -> bytes:
        """The second archive of the first stage."""
        out = io.BytesIO()
        write_cpio(settings_contents(self.settings, root), out, int(self.system.built_at.timestamp()))
        return out.getvalue()

    def arguments(self) -> str:
        """The command line of the first stage's kernel."""
        return " ".join((f"phase.mode={self.system.mode}", *console_arguments(ARCHITECTURES[self.system.arch])))


def write_image(systems: Sequence[Bootable], root: bytes, repository: Contents, state_bytes: int, out: Path) -> None:
    """Write an image of ``systems`` to ``out``: QCOW2 where its name ends so, else raw.  The first of them boots when
    nobody chooses.  ``root`` is the root metadata that the machines trust, and ``repository`` what they boot without a
    network.

    Raises:
        ToolMissing: programs are not here.
        BuildFailed: one of them failed.
        UnreadableInput: a file of a system cannot be read.
        InvalidInput: the systems are not for one architecture, or two are of one mode.
    """
    require(TOOLS)
    if len({each.system.arch for each in systems}) != 1:
        raise InvalidInput("an image is for one architecture", hint="build its modes with the same --arch")
    places: dict[str, Path] = {}
    for each in systems:
        if (other := places.setdefault(each.system.mode, each.folder)) != each.folder:
            raise InvalidInput(
                f"{other} and {each.folder} are both {each.system.mode}, and a menu has each mode once",
                hint="name the folders to take with --mode",
            )
    epoch = int(max(each.system.built_at for each in systems).timestamp())
    contents = _esp(systems, root, repository)
    identity = _identity(contents, state_bytes)
    with tempfile.TemporaryDirectory(prefix=".image-", dir=out.absolute().parent) as temporary:
        raw = Path(temporary) / "image.img"
        esp_bytes = esp.size_for(contents)
        with raw.open("wb") as image:
            image.truncate(_MIB + esp_bytes + state_bytes + _TAIL)
        _write_table(raw, esp_bytes, state_bytes, identity)
        esp.write(contents, raw, _MIB, esp_bytes, MEDIA_LABEL, identity.int & 0xFFFFFFFF, epoch)
        if state_bytes:
            _write_state(raw, _MIB + esp_bytes, state_bytes, uuid5(identity, "state"), epoch)
        if out.suffix == ".qcow2":
            made = Path(temporary) / "image.qcow2"
            run("qemu-img", "convert", "-q", "-c", "-f", "raw", "-O", "qcow2", raw, made)
            made.replace(out)
        else:
            raw.replace(out)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}", hint="build the system again") from None


def _esp(systems: Sequence[Bootable], root: bytes, repository: Contents) -> Contents:
    first = systems[0]
    contents: Contents = {
        f"EFI/BOOT/{ARCHITECTURES[first.system.arch].efi}": file(first.part(BOOT_LOADER)),
        "loader/loader.conf": file(f"default {first.system.mode}.conf\ntimeout {_MENU_SECONDS}\nconsole-mode keep\n"),
        **{f"{MEDIA_REPOSITORY}/{path}": entry for path, entry in repository.items()},
    }
    for number, each in enumerate(systems):
        mode, kernel = each.system.mode, f"phase/kernels/{each.system.files.kernel.sha256[:16]}"
        contents |= {
            kernel: file(each.part(each.system.files.kernel.name)),
            f"phase/{mode}/stage1": file(each.part(STAGE1)),
            f"phase/{mode}/settings": file(each.trust(root)),
            f"loader/entries/{mode}.conf": file(
                f"title {each.settings.title}\n"
                f"sort-key {number:02}\n"
                f"linux /{kernel}\n"
                f"initrd /phase/{mode}/stage1\n"
                f"initrd /phase/{mode}/settings\n"
                f"options {each.arguments()}\n"
            ),
        }
    return contents


def _identity(contents: Contents, state_bytes: int) -> UUID:
    """Identifiers come from what is in the image, so that the same image has the same ones."""
    digest = sha256(str(state_bytes).encode())
    for path, entry in sorted(contents.items()):
        digest.update(path.encode() + b"\0" + sha256(entry.read()).digest())
    return uuid5(_NAMESPACE, digest.hexdigest())


def _write_table(raw: Path, esp_bytes: int, state_bytes: int, identity: UUID) -> None:
    partitions = [(_MIB, esp_bytes, _ESP_TYPE, MEDIA_LABEL)]
    if state_bytes:
        partitions.append((_MIB + esp_bytes, state_bytes, _LINUX_TYPE, STATE_LABEL))
    lines = ["label: gpt", f"label-id: {identity}"] + [
        f'start={start // _SECTOR}, size={size // _SECTOR}, type={kind}, uuid={uuid5(identity, name)}, name="{name}"'
        for start, size, kind, name in partitions
    ]
    script = raw.with_name("table")
    script.write_text("\n".join(lines) + "\n")
    run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", raw, stdin=script)


def _write_state(raw: Path, offset: int, size: int, identity: UUID, epoch: int) -> None:
    run(
        *("mke2fs", "-q", "-F", "-t", "ext4", "-b", 4096, "-m", 0, "-L", STATE_LABEL, "-U", identity),
        *("-E", f"offset={offset},hash_seed={identity},lazy_itable_init=1,nodiscard", raw, f"{size // 1024}k"),
        environment={"E2FSPROGS_FAKE_TIME": str(epoch)},
    )
