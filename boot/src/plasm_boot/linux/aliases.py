"""The aliases of this machine's devices, by which their drivers are found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from plasm_boot.linux import modules

# Debian's kernels have virtio's ring in a module that virtio does not depend on by name.
FIRST: Final = ("virtio_ring", "virtio", "virtio_pci", "virtio_mmio")


def load_drivers() -> None:
    """Load what drives the devices that are there now."""
    modules.load(FIRST)
    modules.load(sorted(set(device_aliases())))


def device_aliases() -> Iterator[str]:
    """Each device's ``modalias``, as sysfs has it now."""
    for folder, _, files in os.walk("/sys/devices"):
        if "modalias" in files:
            try:
                alias = Path(folder, "modalias").read_text().strip()
            except OSError:
                continue
            if alias:
                yield alias
