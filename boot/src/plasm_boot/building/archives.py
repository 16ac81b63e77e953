"""Contents as archives that are always the same: newc cpio, as the kernel unpacks it, and tar, as sqfstar reads it.

https://www.kernel.org/doc/html/latest/driver-api/early-userspace/buffer-format.html
"""

from __future__ import annotations

import io
import shutil
import stat
import tarfile
from pathlib import Path
from typing import BinaryIO, Final

from plasm_boot.building.contents import Contents, Entry, with_folders

_ALIGNMENT: Final = 4
_TRAILER: Final = "TRAILER!!!"


def write_cpio(contents: Contents, out: BinaryIO, epoch: int) -> None:
    """Write ``contents`` as a cpio archive, whose length can be divided by four, so that another may follow."""
    for number, (path, entry) in enumerate(with_folders(contents).items(), start=1):
        _write_member(out, path, entry, number, epoch)
    _write_member(out, _TRAILER, Entry(0), 0, 0)


def _write_member(out: BinaryIO, path: str, entry: Entry, number: int, epoch: int) -> None:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, entry.uid, entry.gid, links, epoch, entry.size, 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % value for value in fields)
    out.write(header + name + bytes(-(len(header) + len(name)) % _ALIGNMENT))
    if isinstance(entry.content, Path):
        with entry.content.open("rb") as file:
            shutil.copyfileobj(file, out)
    else:
        out.write(entry.content)
    out.write(bytes(-entry.size % _ALIGNMENT))


def write_tar(contents: Contents, out: BinaryIO, epoch: int) -> None:
    """Write ``contents`` as a tar archive in the POSIX format."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in with_folders(contents).items():
            member = tarfile.TarInfo(path)
            member.mode = stat.S_IMODE(entry.mode)
            member.uid, member.gid, member.mtime = entry.uid, entry.gid, epoch
            if stat.S_ISDIR(entry.mode):
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            elif stat.S_ISLNK(entry.mode):
                member.type, member.linkname = tarfile.SYMTYPE, entry.read().decode()
                archive.addfile(member)
            else:
                member.size = entry.size
                with entry.content.open("rb") if isinstance(entry.content, Path) else io.BytesIO(entry.content) as file:
                    archive.addfile(member, file)
