"""The entries of the boot menu, and which of them comes next: the interface of systemd-boot.

https://uapi-group.org/specifications/specs/boot_loader_specification/ and
https://systemd.io/BOOT_LOADER_INTERFACE/.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from attrs import frozen

from plasm_boot.linux import modules, syscalls
from plasm_boot.stage1.media import MEDIUM

_ENTRIES: Final = "loader/entries"
_VARIABLES: Final = Path("/sys/firmware/efi/efivars")
_ONE_SHOT: Final = "LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
# Non-volatile, for the boot services, at run time: what a variable has to be to outlive the reboot.
_ATTRIBUTES: Final = (0x7).to_bytes(4, "little")
_MAX_ENTRIES: Final = 9


@frozen
class MenuEntry:
    """An entry of the menu; ``name`` is its file's."""

    name: str
    title: str


def entries(medium: Path = MEDIUM) -> list[MenuEntry]:
    """The entries on the boot medium, as far as it is mounted, in the menu's order: those with a key for that come
    first.  Nine at most, one for each digit."""
    found = []
    for path in (medium / _ENTRIES).glob("*.conf"):
        fields = dict(line.strip().partition(" ")[::2] for line in path.read_text(errors="replace").splitlines())
        key = fields.get("sort-key", "").strip()
        found.append((not key, key, path.name, fields.get("title", path.stem).strip()))
    return [MenuEntry(name, title) for _, _, name, title in sorted(found)[:_MAX_ENTRIES]]


def choose_once(entry: MenuEntry) -> bool:
    """Have the menu begin with ``entry`` at the next boot only; says whether this firmware can be told so."""
    modules.load(["efivarfs"])
    try:
        if not os.path.ismount(_VARIABLES):
            syscalls.mount("efivarfs", str(_VARIABLES), "efivarfs")
        (_VARIABLES / _ONE_SHOT).write_bytes(_ATTRIBUTES + f"{entry.name}\0".encode("utf-16-le"))
    except OSError:
        return False
    return True
