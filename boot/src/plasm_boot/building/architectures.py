"""The architectures that images are built for, as each of the tools calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from plasm.errors import InvalidInput


@frozen
class Architecture:
    """``name`` as manifests and kernels have it; ``debian`` and ``triplet`` as Debian has them; ``loader`` where
    programs look for their dynamic loader; ``elf`` is the machine in ELF headers; ``efi`` the name of a boot loader on
    removable media, ``serial`` the first serial console."""

    name: str
    debian: str
    triplet: str
    loader: str
    elf: int
    efi: str
    systemd_boot: str
    serial: str


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "x86_64": Architecture(
        name="x86_64",
        debian="amd64",
        triplet="x86_64-linux-gnu",
        loader="usr/lib64/ld-linux-x86-64.so.2",
        elf=62,
        efi="BOOTX64.EFI",
        systemd_boot="systemd-bootx64.efi",
        serial="ttyS0",
    ),
    "aarch64": Architecture(
        name="aarch64",
        debian="arm64",
        triplet="aarch64-linux-gnu",
        loader="usr/lib/ld-linux-aarch64.so.1",
        elf=183,
        efi="BOOTAA64.EFI",
        systemd_boot="systemd-bootaa64.efi",
        serial="ttyAMA0",
    ),
}


def architecture(name: str) -> Architecture:
    """The architecture called ``name``.

    Raises:
        InvalidInput: there is none.
    """
    if name not in ARCHITECTURES:
        raise InvalidInput(
            f"{name!r} is not an architecture that images are built for", hint=f"one of: {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]
