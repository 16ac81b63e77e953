"""dm-verity over the root file system: each block is checked whenever it is read, so what was signed is what runs.

https://docs.kernel.org/admin-guide/device-mapper/verity.html.  The format is ``veritysetup format --no-superblock
--format=1 --hash=sha256 --data-block-size=4096 --hash-block-size=4096 --salt=-``, the hash tree directly behind the
data in the same file.

A block that does not match stops the machine with a kernel panic that names dm-verity on every console: whoever
changed it may have changed more, so nothing goes on, and a restart would hide it.  Which machines restart after a
panic, and when, is the command line's ``panic=``.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from typing import Final, NamedTuple

_BLOCK_BYTES: Final = 4096
_SECTOR_BYTES: Final = 512
_ARGUMENT: Final = re.compile(r"([0-9a-f]{64}):([0-9]{1,16})", re.ASCII)

_CREATE, _SUSPEND, _LOAD = 3, 6, 9
_READ_ONLY: Final = 1
# struct dm_ioctl: version, data_size, data_start, target_count, open_count, flags, event_nr, padding, dev, name, uuid.
_HEADER: Final = struct.Struct("=3I2I I i 2I 4x Q 128s 129s 7x")
# struct dm_target_spec: sector_start, length, status, next, target_type; its parameters follow as text.
_TARGET: Final = struct.Struct("=QQiI16s")


class Verity(NamedTuple):
    """What to check: the hash at the root of the tree, in hexadecimal, and how many bytes of data come before it."""

    root_hash: str
    data_bytes: int

    @classmethod
    def parse(cls, argument: str) -> Verity:
        """``HASH:BYTES``, as ``phase.verity=`` has it.

        Raises:
            ValueError: it is not that, or the bytes are not whole blocks.
        """
        match = _ARGUMENT.fullmatch(argument)
        if match is None or not int(match[2]) or int(match[2]) % _BLOCK_BYTES:
            raise ValueError(f"phase.verity={argument:.100} is not HASH:BYTES of whole blocks")
        return cls(match[1], int(match[2]))

    @property
    def argument(self) -> str:
        """What :meth:`parse` reads."""
        return f"{self.root_hash}:{self.data_bytes}"

    def table(self, device: str) -> str:
        """The parameters of device-mapper's target ``verity`` for data and hashes on ``device``."""
        blocks = self.data_bytes // _BLOCK_BYTES
        sizes = f"{_BLOCK_BYTES} {_BLOCK_BYTES} {blocks} {blocks}"
        return f"1 {device} {device} {sizes} sha256 {self.root_hash} - 1 panic_on_corruption"


def open_verified(device: str, verity: Verity, name: str) -> str:
    """A device, like ``/dev/dm-0``, that has the data of ``device`` and checks it.

    Raises:
        OSError: device-mapper refuses; the module is missing, or ``device`` is too small.
    """
    control = os.open("/dev/mapper/control", os.O_RDWR | os.O_CLOEXEC)
    try:
        created = _ask(control, _CREATE, name)
        _ask(control, _LOAD, name, _target(verity.data_bytes, verity.table(device)))
        _ask(control, _SUSPEND, name)  # without the flag to suspend, this resumes: the loaded table takes effect
    finally:
        os.close(control)
    return f"/dev/dm-{os.minor(created)}"


def _target(data_bytes: int, table: str) -> bytes:
    parameters = table.encode() + b"\0"
    return _TARGET.pack(0, data_bytes // _SECTOR_BYTES, 0, 0, b"verity") + parameters


def _ask(control: int, command: int, name: str, target: bytes = b"") -> int:
    """Send one request about the device ``name``; returns its device number."""
    size = _HEADER.size + len(target)
    flags = _READ_ONLY if target else 0
    header = _HEADER.pack(4, 0, 0, size, _HEADER.size, 1 if target else 0, 0, flags, 0, 0, name.encode(), b"")
    buffer = bytearray(header + target)
    request = 3 << 30 | _HEADER.size << 16 | 0xFD << 8 | command
    fcntl.ioctl(control, request, buffer)
    return int(_HEADER.unpack_from(buffer)[9])
