"""An archive of one file for the kernel to unpack behind another: cpio, the "newc" format.  Pure.

Documentation/driver-api/early-userspace/buffer-format.rst of Linux: archives follow each other, each beginning at a
multiple of four bytes.
"""

from __future__ import annotations

from typing import Final

ALIGNMENT: Final = 4
_MAGIC: Final = "070701"
_TRAILER: Final = "TRAILER!!!"
_DIRECTORY: Final = 0o040755
_FILE: Final = 0o100444
_MAX_FILE: Final = 2**32 - 1


def before_file(path: str, size: int) -> bytes:
    """What goes before the content of the archive's only file: its folders and its header.

    Raises:
        ValueError: ``size`` bytes are more than the format can say.
    """
    if size > _MAX_FILE:
        raise ValueError(f"{size} bytes are more than a cpio archive holds")
    folders = path.split("/")[:-1]
    headers = [_header("/".join(folders[: depth + 1]), _DIRECTORY, 0, depth + 1) for depth in range(len(folders))]
    return b"".join(headers) + _header(path, _FILE, size, len(folders) + 1)


def after_file(size: int) -> bytes:
    """What goes behind the content, which was ``size`` bytes long."""
    return padding(size) + _header(_TRAILER, 0, 0, 0)


def padding(size: int) -> bytes:
    """Zeros up to the next multiple of four."""
    return bytes(-size % ALIGNMENT)


def _header(name: str, mode: int, size: int, inode: int) -> bytes:
    links, owner, group, time, device = 1, 0, 0, 0, (0, 0, 0, 0)
    fields = (inode, mode, owner, group, links, time, size, *device, len(name) + 1, 0)
    head = (_MAGIC + "".join(f"{field:08X}" for field in fields) + name).encode() + b"\0"
    return head + padding(len(head))
