"""What a file system says of itself in its first kilobytes: its kind, its label, its UUID.  Pure.

FAT32: Microsoft's "FAT32 File System Specification" 1.03, section 4.  ext4: the kernel's documentation of its
super block, Documentation/filesystems/ext4/super.rst.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple

HEADER_BYTES = 2048
"""As much of a device as :func:`identify` wants."""


class FileSystem(NamedTuple):
    """``kind`` is ``vfat`` or ``ext4``; ``identifier`` as ``blkid`` writes it."""

    kind: str
    label: str
    identifier: str


def identify(header: bytes) -> FileSystem | None:
    """The file system that begins with ``header``; ``None`` where it is neither of the two."""
    return _ext4(header) or _fat32(header)


def _fat32(header: bytes) -> FileSystem | None:
    if header[510:512] != b"\x55\xaa" or header[66:67] != b"\x29" or header[82:90] != b"FAT32   ":
        return None
    serial = header[67:71][::-1].hex().upper()
    return FileSystem("vfat", _text(header[71:82]), f"{serial[:4]}-{serial[4:]}")


def _ext4(header: bytes) -> FileSystem | None:
    block = header[1024:2048]
    if block[56:58] != b"\x53\xef":
        return None
    return FileSystem("ext4", _text(block[120:136]), str(uuid.UUID(bytes=block[104:120].ljust(16, b"\0"))))


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("ascii", "replace").rstrip()
