"""The archive with the root file system, as another program reads it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from plasm_boot import cpio
from plasm_boot.errors import HandoverFailed, Untrusted
from plasm_boot.linux import syscalls
from plasm_boot.manifest import Artifact
from plasm_boot.settings import STAGE2_ROOTFS
from plasm_boot.stage1 import handover


def _artifact(path: Path) -> Artifact:
    return Artifact(f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}", path.stat().st_size, ("artifacts/x",))


@pytest.mark.skipif(shutil.which("cpio") is None, reason="needs the program cpio")
@pytest.mark.parametrize("size", [1, 2, 3, 4, 4096, 100_001])
def test_the_root_file_system_lies_behind_the_initramfs(tmp_path: Path, size: int) -> None:
    initramfs = tmp_path / "initramfs"
    initramfs.write_bytes(b"i" * 1234 + b"!")
    rootfs = tmp_path / "rootfs"
    rootfs.write_bytes(bytes(number % 251 for number in range(size)))
    joined = tmp_path / "joined"
    with joined.open("wb") as into:
        handover.join((initramfs, _artifact(initramfs)), (rootfs, _artifact(rootfs)), into)
    data = joined.read_bytes()
    assert data.startswith(initramfs.read_bytes() + b"\0")
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(["cpio", "-id", "--quiet"], input=data[1236:], cwd=out, capture_output=True, check=True)
    assert done.stderr == b""
    assert (out / STAGE2_ROOTFS).read_bytes() == rootfs.read_bytes()
    assert [str(path.relative_to(out)) for path in sorted(out.rglob("*"))] == ["phase", STAGE2_ROOTFS]


@pytest.mark.parametrize("size", range(1, 9))
def test_everything_begins_at_a_multiple_of_four(size: int) -> None:
    before = cpio.before_file("a/bc", size)
    assert len(before) % 4 == 0
    assert (len(before) + size + len(cpio.after_file(size))) % 4 == 0


def test_more_than_the_format_can_say_is_refused() -> None:
    with pytest.raises(ValueError, match="more than a cpio archive holds"):
        cpio.before_file("rootfs", 2**32)


def test_the_next_command_line_is_the_signed_one_and_what_this_boot_adds() -> None:
    line = handover.command_line("console=tty0 phase.verity=ab:4096", [("phase.mode", "local"), ("phase.state", "u")])
    assert line == "console=tty0 phase.verity=ab:4096 phase.mode=local phase.state=u"


@pytest.mark.parametrize("value", ["a b", "a\nb", 'a"b', "a\0b", "ä"])
def test_what_could_end_an_argument_is_not_added(value: str) -> None:
    with pytest.raises(HandoverFailed):
        handover.command_line("quiet", [("phase.channel", value)])


def test_a_command_line_that_the_kernel_would_cut_is_refused() -> None:
    with pytest.raises(HandoverFailed, match="2048 bytes"):
        handover.command_line("q" * 2000, [("phase.bootstrap", "x" * 31)])
    handover.command_line("q" * 2000, [("phase.bootstrap", "x" * 30)])


def test_no_kernel_is_loaded_from_what_is_none(tmp_path: Path) -> None:
    for name in ("kernel", "initramfs"):
        (tmp_path / name).write_bytes(b"not one")
    with pytest.raises(HandoverFailed, match="does not take the next one"):
        handover.load(tmp_path / "kernel", tmp_path / "initramfs", "quiet")


def test_a_kernel_that_cannot_read_the_next_one_is_told_from_one_that_lacks_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(syscalls, "kexec_file_load", lacks)
    for name in ("kernel", "initramfs"):
        (tmp_path / name).touch()
    with pytest.raises(HandoverFailed) as failed:
        handover.load(tmp_path / "kernel", tmp_path / "initramfs", "quiet")
    assert failed.value.hint == "the image needs a kernel that is built with CONFIG_KEXEC_FILE"


def test_a_file_that_changed_after_it_was_verified_is_not_taken(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(b"verified")
    signed = _artifact(kernel)
    kernel.write_bytes(b"exchange")
    with pytest.raises(Untrusted, match="digest is not the signed one"):
        handover.take(kernel, signed, io.BytesIO())
