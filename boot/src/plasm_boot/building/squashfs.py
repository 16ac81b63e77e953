"""A root file system as a squashfs file that carries its own dm-verity hash tree behind the data."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Final

from plasm_boot.building.archives import write_tar
from plasm_boot.building.contents import Contents
from plasm_boot.building.run import run
from plasm_boot.errors import BuildFailed
from plasm_boot.stage2.verity import Verity

TOOLS: Final = ("mksquashfs", "veritysetup")
BLOCK: Final = 4096
# Larger ones compress better and read slower.
_SQUASHFS_BLOCK: Final = 256 * 1024
# The root folder belongs to whoever mksquashfs believes to run it, whatever its options say.
_AS_ROOT: Final = () if os.geteuid() == 0 else ("unshare", "--map-root-user")


def write_squashfs(contents: Contents, out: Path, epoch: int, effort: int) -> Verity:
    """Write ``contents`` to ``out``, compressed by zstd at level ``effort``, with the hash tree behind it.

    Raises:
        ToolMissing: a program is not here.
        BuildFailed: one of them failed.
    """
    with tempfile.TemporaryDirectory(prefix="plasm-rootfs-", dir=out.parent) as temporary:
        archive = Path(temporary) / "rootfs.tar"
        with archive.open("wb") as file:
            write_tar(contents, file, epoch)
        out.unlink(missing_ok=True)
        run(
            *_AS_ROOT,
            # And not sqfstar, whose release in Debian 12 takes no level of compression.
            *("mksquashfs", "-", out, "-tar", "-quiet", "-no-progress", "-no-xattrs", "-b", _SQUASHFS_BLOCK),
            *("-comp", "zstd", "-Xcompression-level", effort, "-mkfs-time", epoch, "-all-time", epoch),
            *("-root-mode", 755),
            stdin=archive,
            without=("SOURCE_DATE_EPOCH",),  # squashfs-tools do not take both
        )
    return _append_hash_tree(out)


def _append_hash_tree(path: Path) -> Verity:
    size = path.stat().st_size
    if size % BLOCK:
        with path.open("ab") as file:
            size += file.write(bytes(-size % BLOCK))
    told = run(
        *("veritysetup", "format", "--no-superblock", "--format=1", "--hash=sha256", "--salt=-"),
        *(f"--data-block-size={BLOCK}", f"--hash-block-size={BLOCK}", f"--data-blocks={size // BLOCK}"),
        *(f"--hash-offset={size}", path, path),
    )
    match = re.search(r"^Root hash:\s+([0-9a-f]{64})$", told, re.MULTILINE)
    if match is None:
        raise BuildFailed("veritysetup did not tell the root hash")
    return Verity(match[1], size)
