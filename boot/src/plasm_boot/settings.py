"""What an image tells the machine that boots from it; the contract between the builders and the machine's own stages.

Stage 1 finds :data:`SETTINGS` and :data:`ROOT_METADATA` in its initramfs.  Whoever is at the machine can override some
of it on the kernel's command line, see :mod:`plasm_boot.stage1.arguments`.  All of that decides where stage 1 looks.
The pinned root metadata alone decides what it trusts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
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
"""Where an emulator tells stage 1 more arguments, by QEMU's fw_cfg: as text, like a command line."""


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@frozen
class ImageSettings:
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
    def from_bytes(cls, data: bytes) -> ImageSettings:
        """What :meth:`to_bytes` wrote."""
        return _converter.structure(json.loads(data), cls)


_converter: Final = cattrs.Converter(forbid_extra_keys=True)
_converter.register_unstructure_hook(datetime, lambda value: value.isoformat())
_converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
