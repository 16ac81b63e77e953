"""Which shared libraries programs and libraries need, read from their ELF dynamic sections.

System V Application Binary Interface, chapters 4 and 5; 64-bit, little-endian files only.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MAGIC: Final = b"\x7fELF"
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRTAB = 1, 5


def machine(head: bytes) -> int | None:
    """The machine that a file beginning with ``head`` (20 bytes) is for, ``None`` where it is no ELF file."""
    return int.from_bytes(head[18:20], "little") if head[:4] == MAGIC else None


def needed(data: bytes) -> list[str]:
    """The names of the libraries that this ELF file asks for; none where it is static, or no such file."""
    if data[:5] != MAGIC + b"\x02":
        return []
    offset, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQ", data, offset + size * index) for index in range(count)]
    loads = [(address, start, length) for kind, _, start, address, _, length in segments if kind == _LOAD]
    for kind, _, start, _, _, length in segments:
        if kind == _DYNAMIC:
            entries = list(struct.iter_unpack("<QQ", data[start : start + length]))
            table = next((_position(value, loads) for tag, value in entries if tag == _STRTAB), 0)
            return [_text(data, table + value) for tag, value in entries if tag == _NEEDED]
    return []


def _position(address: int, loads: list[tuple[int, int, int]]) -> int:
    return next(start + address - first for first, start, length in loads if first <= address < first + length)


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


def libraries(files: Iterable[Path], folders: Iterable[Path]) -> set[Path]:
    """The libraries in ``folders`` that these files need, and those that these need in turn."""
    places = list(folders)
    found: set[Path] = set()
    todo = list(files)
    while todo:
        for name in needed(todo.pop().read_bytes()):
            path = next((folder / name for folder in places if (folder / name).exists()), None)
            if path is not None and path not in found:
                found.add(path)
                todo.append(path)
    return found
