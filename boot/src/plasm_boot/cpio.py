"""Archives that the kernel unpacks as an initramfs: cpio in the "newc" format.  Pure.

Archives follow each other, each beginning at a multiple of four bytes:
https://www.kernel.org/doc/html/latest/driver-api/early-userspace/buffer-format.html
"""

from __future__ import annotations

import stat
from typing import Final

_ALIGNMENT: Final = 4
_MAGIC: Final = b"070701"
_MAX_FILE_BYTES: Final = 2**32 - 1


def header(path: str, mode: int, size: int, inode: int, *, uid: int = 0, gid: int = 0, mtime: int = 0) -> bytes:
    """What goes before a member's content.

    Args:
        path: where it is unpacked, without a slash at the beginning.
        mode: all of ``st_mode``.
        size: of the content in bytes; :func:`padding` follows it.
        inode: another number for each member.
        uid: its owner.
        gid: its group.
        mtime: seconds since 1970.

    Raises:
        ValueError: ``size`` is more than the format can say.
    """
    if size > _MAX_FILE_BYTES:
        raise ValueError(f"{size} bytes are more than a cpio archive holds")
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, uid, gid, links, mtime, size, 0, 0, 0, 0, len(name), 0)
    head = _MAGIC + b"".join(b"%08X" % field for field in fields) + name
    return head + padding(len(head))


def padding(size: int) -> bytes:
    """Zeros from ``size`` up to the next multiple of four."""
    return bytes(-size % _ALIGNMENT)


TRAILER: Final = header("TRAILER!!!", 0, 0, 0)
"""The last member of an archive."""


def before_file(path: str, size: int) -> bytes:
    """What goes before the content in an archive of one file, which everybody may read: its folders and its header.

    Raises:
        ValueError: ``size`` bytes are more than the format can say.
    """
    folders = path.split("/")[:-1]
    headers = [
        header("/".join(folders[:depth]), stat.S_IFDIR | 0o755, 0, depth) for depth in range(1, len(folders) + 1)
    ]
    return b"".join(headers) + header(path, stat.S_IFREG | 0o444, size, len(folders) + 1)


def after_file(size: int) -> bytes:
    """What goes behind the content of such an archive, which was ``size`` bytes long."""
    return padding(size) + TRAILER
