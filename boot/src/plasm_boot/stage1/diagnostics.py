"""What a person needs to see to find out why a machine does not boot: links, addresses, clock, memory, modules."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from plasm_boot.linux import clock, disks
from plasm_boot.stage1.network import addresses

_LINKS = Path("/sys/class/net")


def report() -> Iterator[str]:
    """A line for each thing, read anew; what cannot be read is left out."""
    kernel = os.uname()
    yield f"kernel     {kernel.release} on {kernel.machine}"
    yield f"clock      {clock.now():%Y-%m-%d %H:%M:%S} UTC"
    yield from (f"memory     {line}" for line in _memory(_text(Path("/proc/meminfo"))))
    for link in sorted(_LINKS.iterdir()):
        carrier = {"1": "connected", "0": "not connected"}.get(_text(link / "carrier").strip(), "down")
        yield f"link       {link.name}: {carrier}, {_text(link / 'address').strip() or 'no hardware address'}"
    yield from (f"address    {address}" for address in addresses())
    yield from (f"resolver   {line}" for line in _text(Path("/etc/resolv.conf")).splitlines())
    for device, found in disks.file_systems():
        yield f"disk       {device}: {found.kind} {found.label or 'without a label'} {found.identifier}"
    modules = sorted(line.split()[0] for line in _text(Path("/proc/modules")).splitlines())
    yield f"modules    {' '.join(modules)}"
    yield f"arguments  {_text(Path('/proc/cmdline')).strip()}"


def _memory(meminfo: str) -> list[str]:
    """The lines of /proc/meminfo that matter, with one space between words."""
    wanted = ("MemTotal:", "MemAvailable:", "Shmem:")
    return [" ".join(line.split()) for line in meminfo.splitlines() if line.startswith(wanted)]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
