"""What an image tells the machine that boots from it; the contract between the builders and the machine's own stages.

Stage 1 finds :data:`SETTINGS` and :data:`ROOT_METADATA` in its initramfs.  Some of it can be said otherwise on the
kernel's command line, by whoever is at the machine: :data:`ARGUMENTS`.  All of that decides where stage 1 looks, and
never what it trusts: that is the pinned root metadata alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import cattrs
from attrs import field, frozen

SETTINGS: Final = "etc/phase/settings.json"
ROOT_METADATA: Final = "etc/phase/root.json"
STAGE2_ROOTFS: Final = "phase/rootfs.squashfs"
"""Where stage 1 puts the verified root file system into the initramfs of stage 2: a second cpio archive behind it."""

STATE_LABEL: Final = "PHASE_STATE"
"""The label of the ext4 partition that may be written: TUF's metadata, verified artifacts by digest, the node's
state."""
MEDIA_LABEL: Final = "PHASE_ESP"
"""The label of the EFI system partition of an image, FAT32."""
MEDIA_REPOSITORY: Final = "phase/repository"
"""The folder on that partition with the repository that a mode without a network boots from."""

EMULATOR_ARGUMENTS: Final = "opt/dev.plasm/arguments"
"""Where an emulator says more :data:`ARGUMENTS` to stage 1, by QEMU's fw_cfg: as text, like a command line."""

ARGUMENTS: Final[Mapping[str, str]] = {
    "phase.mode": "the mode that was chosen in the menu",
    "phase.channel": "the channel to boot",
    "phase.provider": "the URL of a provider to ask besides those that are found; may be repeated",
    "phase.bootstrap": "the multiaddress of a peer of the DHT to begin with; may be repeated",
    "phase.ip": "a fixed address instead of DHCP: ADDRESS/PREFIX[,GATEWAY[,DNS]]",
    "phase.verity": "for stage 2: the dm-verity root hash of the root file system, and the bytes of it that hold"
    " data, HASH:BYTES; it comes from the signed boot manifest.  ``veritysetup format --no-superblock --format=1"
    " --hash=sha256 --data-block-size=4096 --hash-block-size=4096 --salt=-``, the hashes directly behind the data",
    "phase.state": "for stage 2: the UUID of the ext4 file system to keep state on",
    "phase.debug": "with the value 1, a failure of stage 1's own is shown with its traceback",
}


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@frozen
class Settings:
    """What stage 1 is told.  ``plugins`` and ``policy`` are the mode's, flattened so that nothing has to be looked up.

    ``built_at`` is a time that has certainly passed; ``shell`` whether the rescue menu offers a shell.
    """

    mode: str
    title: str
    channel: str
    arch: str
    built_at: datetime
    plugins: dict[str, tuple[str, ...]]
    persistent_identity: bool
    cache: bool
    writes: bool
    network_scope: str
    providers: tuple[str, ...] = field(default=(), converter=_texts)
    bootstrap: tuple[str, ...] = field(default=(), converter=_texts)
    shell: bool = False

    def to_bytes(self) -> bytes:
        """As the image carries it."""
        return json.dumps(_converter.unstructure(self), indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Settings:
        """What :meth:`to_bytes` wrote."""
        return _converter.structure(json.loads(data), cls)


_converter: Final = cattrs.Converter(forbid_extra_keys=True)
_converter.register_unstructure_hook(datetime, lambda value: value.isoformat())
_converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
