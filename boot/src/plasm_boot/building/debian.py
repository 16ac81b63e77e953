"""A small Debian: made once by mmdebstrap, kept, and picked from by everything that goes into an image.

It is unpacked as whoever builds: who really owns a file is kept beside it, so that root is not needed.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import frozen

from plasm_boot.building import emulation
from plasm_boot.building.architectures import Architecture
from plasm_boot.building.python import LIBRARY, ImagePython
from plasm_boot.building.run import run
from plasm_boot.errors import BuildFailed

SUITE: Final = "bookworm"
PACKAGES: Final = (
    "ca-certificates",
    "dhcpcd-base",
    "e2fsprogs",
    "kmod",
    "libstdc++6",
    "nftables",
    "python3",
    "systemd",
    "systemd-boot-efi",
    "systemd-sysv",
    "udev",
)
"""What each image needs; libstdc++6 for wheels, dhcpcd-base in both stages, as one way to an address is enough."""

SHELL_PACKAGES: Final = ("busybox-static",)
KERNELS: Final = {"cloud": "linux-image-cloud-{}", "generic": "linux-image-{}"}
"""The kernel for virtual machines, and the one with the drivers of real ones; packages that need the concrete one."""

TOOLS: Final = ("mmdebstrap", "dpkg-deb", "tar")
_UNNEEDED: Final = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/doc/*")
_KEPT: Final = "/usr/share/doc/*/copyright"

# Bump it when what is kept is made in another way.
_FORM: Final = 1

# The kernel is taken along as a package and never installed, which would want an initramfs and a boot loader.
# mmdebstrap has a shell run it, as whichever user it works as, who need not be able to read files of ours.
_TAKE_KERNEL: Final = """
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
concrete=$(apt-cache depends --important @KERNEL@ | sed -n 's/^ *Depends: \\(linux-image-[^ ]*\\)$/\\1/p' | head -n 1)
mkdir "$1/phase"
cd "$1/phase"
apt-get download "$concrete"
"""


@frozen
class Package:
    """An installed Debian package; ``size`` in bytes, ``licences`` by their short names where its copyright file says
    so for machines."""

    name: str
    version: str
    size: int
    licences: tuple[str, ...] = ()


@frozen(slots=False)
class Debian:
    """A Debian below ``folder``: ``root`` is its root folder, and ``kernel`` its unpacked kernel package."""

    folder: Path
    arch: Architecture

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def kernel(self) -> Path:
        return self.folder / "kernel"

    @cached_property
    def owners(self) -> dict[str, tuple[int, int]]:
        """Users and groups of what is not root's, by path."""
        return {path: (uid, gid) for path, (uid, gid) in json.loads((self.folder / "owners.json").read_text()).items()}

    @cached_property
    def kernel_version(self) -> str:
        """The release that the kernel calls itself."""
        return next(self.kernel.glob("lib/modules/*")).name

    @property
    def vmlinuz(self) -> Path:
        return self.kernel / "boot" / f"vmlinuz-{self.kernel_version}"

    @property
    def modules(self) -> Path:
        return self.kernel / "lib/modules" / self.kernel_version

    @property
    def boot_loader(self) -> Path:
        """systemd-boot for the firmware of this architecture."""
        return self.root / "usr/lib/systemd/boot/efi" / self.arch.systemd_boot

    @property
    def library_folders(self) -> tuple[Path, ...]:
        """Where the loader looks for shared libraries."""
        return (self.root / "usr/lib" / self.arch.triplet, self.root / "usr/lib")

    @property
    def python(self) -> ImagePython:
        """Its Python, to be run here."""
        return ImagePython(self.root, self.arch)

    @cached_property
    def packages(self) -> tuple[Package, ...]:
        """Every package that is installed, and the kernel's."""
        status = (self.root / "var/lib/dpkg/status").read_text()
        return tuple(self._packages([*status.split("\n\n"), (self.folder / "kernel.control").read_text()]))

    def files_of(self, package: str) -> list[str]:
        """The paths of a package's files, folders and links, as the package names them.

        Raises:
            BuildFailed: it is not installed.
        """
        info = self.root / "var/lib/dpkg/info"
        for name in (f"{package}.list", f"{package}:{self.arch.debian}.list"):
            if (info / name).exists():
                return [line.lstrip("/") for line in (info / name).read_text().splitlines() if line != "/."]
        raise BuildFailed(f"the Debian package {package} is not in the image")

    def _packages(self, paragraphs: Sequence[str]) -> Iterator[Package]:
        for paragraph in paragraphs:
            fields = dict(re.findall(r"^(\S+): (.*)$", paragraph, re.MULTILINE))
            if name := fields.get("Package"):
                size = int(fields.get("Installed-Size", "0")) * 1024
                yield Package(name, fields["Version"], size, self._licences(name))

    def _licences(self, package: str) -> tuple[str, ...]:
        for base in (self.root, self.kernel):
            copyright_ = base / "usr/share/doc" / package / "copyright"
            if copyright_.is_file():
                text = copyright_.read_text(errors="replace")
                if text.startswith("Format:"):
                    return tuple(sorted(set(re.findall(r"^License: *(\S.*?) *$", text, re.MULTILINE))))
        return ()


def make(cache: Path, arch: Architecture, kernel: str, packages: Sequence[str]) -> Debian:
    """The Debian with these packages besides :data:`PACKAGES`, of today: from ``cache``, or made now.

    Raises:
        ToolMissing: a program is not here.
        BuildFailed: one of them failed.
    """
    wanted = sorted({*PACKAGES, *packages})
    kernel_package = KERNELS[kernel].format(arch.debian)
    what = json.dumps([_FORM, SUITE, arch.name, kernel_package, wanted])
    name = f"{sha256(what.encode()).hexdigest()[:16]}-{datetime.now(UTC):%Y%m%d}"
    base = cache / "debian"
    base.mkdir(parents=True, exist_ok=True)
    with _alone(base / f"{name.partition('-')[0]}.lock"):
        if not (base / name).exists():
            with tempfile.TemporaryDirectory(prefix=".new-", dir=base) as new:
                _make(Path(new), arch, kernel_package, wanted)
                for old in base.glob(f"{name.partition('-')[0]}-*"):
                    shutil.rmtree(old)
                (Path(new) / "made").rename(base / name)
    return Debian(base / name, arch)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While no other process makes the same."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(work: Path, arch: Architecture, kernel: str, packages: Sequence[str]) -> None:
    archive, made = work / "debian.tar", work / "made"
    run(
        *emulation.before_starting(arch),
        *("mmdebstrap", "--variant=essential", "--format=tar", f"--architectures={arch.debian}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _UNNEEDED),
        f"--dpkgopt=path-include={_KEPT}",
        f"--include={','.join(packages)}",
        f"--customize-hook={_TAKE_KERNEL.replace('@KERNEL@', kernel)}",
        *(SUITE, archive),
    )
    made.mkdir()
    debian = Debian(made, arch)
    debian.root.mkdir()
    run(
        "tar",
        "--extract",
        "--no-same-owner",
        "--preserve-permissions",
        "--exclude=./dev/*",
        "-f",
        archive,
        "-C",
        debian.root,
    )
    with tarfile.open(archive) as members:
        owners = {member.name.removeprefix("./"): (member.uid, member.gid) for member in members}
    (made / "owners.json").write_text(json.dumps({path: ids for path, ids in owners.items() if ids != (0, 0)}))
    taken = debian.root / "phase"
    package = next(taken.glob("*.deb"))
    run("dpkg-deb", "-x", package, debian.kernel)
    (made / "kernel.control").write_text(run("dpkg-deb", "--field", package))
    shutil.rmtree(taken)
    for library in (LIBRARY, "usr/lib/python3"):
        debian.python.compile_all(debian.root / library, library)
