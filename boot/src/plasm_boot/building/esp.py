"""FAT32 file systems, written by mtools into a file that need not be mounted."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import Final

from plasm_boot.building.contents import Contents, regular
from plasm_boot.building.run import run

TOOLS: Final = ("mformat", "mmd", "mcopy")
_SECTOR: Final = 512
_CLUSTER: Final = 4 * _SECTOR
# With fewer clusters it would be taken for FAT16: Microsoft's FAT specification, section 3.5.
_MIN_CLUSTERS: Final = 65_536
_MIB: Final = 1024**2


def size_for(contents: Contents) -> int:
    """How many bytes a file system for ``contents`` needs, in whole MiB, with some room for what people add."""
    clusters = sum(-(-entry.size // _CLUSTER) for _, entry in regular(contents))
    used = (clusters * (_CLUSTER + 4 * 2) + 8 * _MIB) * 17 // 16
    return -(-max(used, _MIN_CLUSTERS * (_CLUSTER + 8) + _MIB) // _MIB) * _MIB


def write(contents: Contents, image: Path, offset: int, size: int, label: str, serial: int, epoch: int) -> None:
    """Write a file system with ``contents`` into ``image``, at ``offset`` and of ``size`` bytes.

    Raises:
        BuildFailed: mtools failed.
    """
    drive = ("-i", f"{image}@@{offset}")
    environment = {"SOURCE_DATE_EPOCH": str(epoch), "MTOOLS_SKIP_CHECK": "1"}
    run(
        *("mformat", *drive, "-F", "-v", label, "-N", f"{serial:08X}", "-T", size // _SECTOR, "-h", 255, "-s", 63),
        *("-H", offset // _SECTOR, "-c", _CLUSTER // _SECTOR, "::"),
        environment=environment,
    )
    folders = {str(parent) for path in contents for parent in PurePosixPath(path).parents if str(parent) != "."}
    run("mmd", *drive, *(f"::{folder}" for folder in sorted(folders)), environment=environment)
    with tempfile.TemporaryDirectory(prefix="plasm-esp-") as temporary:
        staged = Path(temporary) / "file"
        for path, entry in sorted(regular(contents)):
            if not isinstance(entry.content, Path):
                staged.write_bytes(entry.content)
            source = entry.content if isinstance(entry.content, Path) else staged
            run("mcopy", "-o", *drive, source, f"::{path}", environment=environment)
