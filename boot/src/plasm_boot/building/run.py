"""The one door to other programs: a visible list of words, no shell, and an error that names what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from plasm_boot.errors import BuildFailed, ToolMissing

PACKAGES: Final[Mapping[str, str]] = {
    "arch-test": "arch-test",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "mcopy": "mtools",
    "mformat": "mtools",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-img": "qemu-utils",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-x86_64-static": "qemu-user-static",
    "sfdisk": "fdisk",
    "mksquashfs": "squashfs-tools",
    "tar": "tar",
    "uv": "uv (from where Plasm comes from)",
    "veritysetup": "cryptsetup-bin",
    "zstd": "zstd",
}
"""The Debian package that has a program."""

_SHOWN_LINES: Final = 12


def find(program: str) -> str | None:
    """Where a program is: beside this interpreter, on the path, or where Debian keeps those of administrators."""
    places = (str(Path(sys.prefix, "bin")), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")
    return shutil.which(program, path=os.pathsep.join(places))


def require(programs: Iterable[str]) -> None:
    """Make sure that all these programs are here.

    Raises:
        ToolMissing: some are not; it names the packages to install.
    """
    missing = sorted({program for program in programs if find(program) is None})
    if missing:
        packages = sorted({PACKAGES.get(program, program) for program in missing})
        raise ToolMissing(
            f"not installed here: {', '.join(missing)}", hint=f"on Debian: apt install {' '.join(packages)}"
        )


def run(
    *command: object,
    environment: Mapping[str, str] | None = None,
    without: Iterable[str] = (),
    stdin: Path | None = None,
) -> str:
    """Run a program to its end and return what it printed; ``environment`` is added to this process's own, which the
    variables ``without`` are left out of.

    Raises:
        ToolMissing: it is not installed.
        BuildFailed: it failed; the message has the end of what it complained about.
    """
    program, *arguments = (str(word) for word in command)
    path = program if os.sep in program else find(program)
    if path is None:
        require([program])
    with (stdin or Path(os.devnull)).open("rb") as given:
        done = subprocess.run(  # noqa: S603 - the callers name every program
            [str(path), *arguments],
            check=False,
            stdin=given,
            capture_output=True,
            env=_plain_environment(without) | dict(environment or {}),
        )
    if done.returncode != 0:
        complaint = done.stderr.decode(errors="replace").strip().splitlines()[-_SHOWN_LINES:]
        raise BuildFailed(f"{Path(program).name} failed with status {done.returncode}: {' / '.join(complaint)}")
    return done.stdout.decode(errors="replace")


def _plain_environment(without: Iterable[str]) -> dict[str, str]:
    """This process's environment without what would change what Python writes or a program says."""
    unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX", *without}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
