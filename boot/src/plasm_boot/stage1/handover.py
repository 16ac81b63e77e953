"""Hands the machine over to a verified system: its kernel, and its initramfs with the root file system behind it.

Memory: the joined initramfs is written once to a tmpfs, and the kernel holds it twice more while it loads it.  So three
times the root file system is the most that is needed, where the artifacts that went into it are gone by then.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from plasm_boot import cpio
from plasm_boot.errors import HandoverFailed, Untrusted
from plasm_boot.linux import syscalls
from plasm_boot.manifest import Artifact
from plasm_boot.settings import STAGE2_ROOTFS

MAX_COMMAND_LINE: Final = 2047
"""Bytes; the kernel's COMMAND_LINE_SIZE is 2048 on x86-64 and aarch64, its end mark included."""
_CHUNK: Final = 1024 * 1024
_ARGUMENT: Final = re.compile(r"[!#-~]+", re.ASCII)


def command_line(signed: str, arguments: Iterable[tuple[str, str]]) -> str:
    """The next kernel's command line: the ``signed`` one of the manifest, and what this boot adds to it.

    Raises:
        HandoverFailed: too long, or characters that are none for a command line.
    """
    added = [f"{name}={value}" for name, value in arguments]
    if not signed.isprintable() or not all(map(_ARGUMENT.fullmatch, added)):
        raise HandoverFailed("the command line for the next kernel has characters that it cannot have")
    line = " ".join([signed, *added]).strip()
    if (length := len(line.encode())) > MAX_COMMAND_LINE:
        raise HandoverFailed(
            f"the command line for the next kernel has {length} bytes, more than {MAX_COMMAND_LINE}",
            hint="give fewer providers and peers on the kernel's command line",
        )
    return line


def take(path: Path, artifact: Artifact, into: BinaryIO) -> None:
    """Copy the ``artifact`` that is at ``path``: what is checked is what is copied, whatever happens to the file.

    Raises:
        Untrusted: what was copied is not what was signed.
    """
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            into.write(chunk)
    if digest.hexdigest() != artifact.sha256:
        raise Untrusted(f"{path} is refused: its digest is not the signed one", hint="try again, or another medium")


def join(initramfs: tuple[Path, Artifact], rootfs: tuple[Path, Artifact], into: BinaryIO) -> None:
    """Write the initramfs into ``into``, and behind it an archive that has the root file system in
    :data:`~plasm_boot.settings.STAGE2_ROOTFS`.

    Raises:
        Untrusted: as for :func:`take`.
    """
    take(*initramfs, into)
    into.write(cpio.padding(initramfs[1].size))
    into.write(cpio.before_file(STAGE2_ROOTFS, rootfs[1].size))
    take(*rootfs, into)
    into.write(cpio.after_file(rootfs[1].size))


def load(kernel: Path, initramfs: Path, line: str) -> None:
    """Have the kernel take in the next one; nothing happens yet.

    Raises:
        HandoverFailed: it does not take it: no kernel, not enough memory, or locked down.
    """
    try:
        with kernel.open("rb") as first, initramfs.open("rb") as second:
            syscalls.kexec_file_load(first.fileno(), second.fileno(), line)
    except OSError as error:
        hint = "a machine needs about seven times the size of the root file system as memory"
        if error.errno == errno.ENOSYS:
            hint = "the image needs a kernel that is built with CONFIG_KEXEC_FILE"
        raise HandoverFailed(f"this kernel does not take the next one: {error.strerror}", hint=hint) from None


def leap() -> NoReturn:
    """Boot into what was loaded; does not return.

    Raises:
        HandoverFailed: the kernel refuses.
    """
    try:
        syscalls.reboot(syscalls.KEXEC)
    except OSError as error:
        raise HandoverFailed(f"this kernel does not start the next one: {error.strerror}") from None
    raise AssertionError("a kernel that was started does not return here")
