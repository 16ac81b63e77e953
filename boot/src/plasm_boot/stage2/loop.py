"""A file as a block device, read only: the loop driver's ioctls (loop(4))."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

_LOOP_CTL_GET_FREE: Final = 0x4C82
_LOOP_CONFIGURE: Final = 0x4C0A
_READ_ONLY: Final = 1
# struct loop_config: descriptor, block size, struct loop_info64 of 232 bytes with its flags at 52, 64 bytes reserved.
_CONFIG: Final = struct.Struct("=II52xI176x64x")


def attach(path: str) -> str:
    """A loop device, like ``/dev/loop0``, that holds what is in the file; it lasts until the machine stops.

    Raises:
        OSError: the file is missing, or there is no loop driver.
    """
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        device = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
    finally:
        os.close(control)
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    loop = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(loop, _LOOP_CONFIGURE, _CONFIG.pack(file, 0, _READ_ONLY))
    finally:
        os.close(file)
        os.close(loop)
    return device
