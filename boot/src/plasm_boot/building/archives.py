"""Contents as archives that are always the same: cpio, as the kernel unpacks it, and tar, as sqfstar reads it."""

from __future__ import annotations

import io
import shutil
import stat
import tarfile
from pathlib import Path
from typing import BinaryIO

from plasm_boot import cpio
from plasm_boot.building.contents import Contents, Entry, with_folders


def write_cpio(contents: Contents, out: BinaryIO, epoch: int) -> None:
    """Write ``contents`` as a cpio archive, behind which another may follow.

    Raises:
        ValueError: a file is larger than the format can say.
    """
    for inode, (path, entry) in enumerate(with_folders(contents).items(), start=1):
        out.write(cpio.header(path, entry.mode, entry.size, inode, uid=entry.uid, gid=entry.gid, mtime=epoch))
        _write_content(out, entry)
        out.write(cpio.padding(entry.size))
    out.write(cpio.TRAILER)


def _write_content(out: BinaryIO, entry: Entry) -> None:
    if isinstance(entry.content, Path):
        with entry.content.open("rb") as file:
            shutil.copyfileobj(file, out)
    else:
        out.write(entry.content)


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
