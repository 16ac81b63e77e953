"""Wheels, unpacked and compiled for an image: those from an index are kept for the next time, others built anew."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from plasm_boot.building import python
from plasm_boot.building.architectures import Architecture
from plasm_boot.building.contents import Contents, matching, read_folder
from plasm_boot.building.elf import machine
from plasm_boot.building.run import run
from plasm_boot.composition.distributions import Wheel
from plasm_boot.errors import BuildFailed

SITE: Final = "usr/lib/plasm/site-packages"
TOOLS: Final = ("uv",)
_GLIBC: Final = "2_36"

# What some wheels bring along and no program imports: other projects' folders by mistake, tests, and sources.
_LITTER: Final = ("bin", "docs", "examples", "interop", "newsfragments", "tests", ".lock", "*-stubs", "stubs")
_LITTER_ANYWHERE: Final = ("*.c", "*.cpp", "*.h", "*.pxd", "*.pyi", "*.pyx", "tests", "test_data", "SelfTest")
# What an installer writes about itself; it names folders of this machine.
_INSTALLERS_NOTES: Final = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")

# Bump it when what is kept is made in another way.
_FORM: Final = 2


class Wheelhouse:
    """Wheels for one architecture.  Those from an index are kept in ``cache``, others in ``work`` while building."""

    def __init__(self, cache: Path, work: Path, arch: Architecture, image_python: python.ImagePython) -> None:
        self._cache = cache / "wheels" / f"{arch.name}-{_FORM}"
        self._work = work
        self._arch = arch
        self._python = image_python

    def contents(self, wheel: Wheel) -> Contents:
        """What the wheel puts into an image, below :data:`SITE`.

        Raises:
            BuildFailed: there is no such wheel for the architecture, or it cannot be built.
        """
        base = self._work if wheel.source else self._cache
        folder = base / f"{wheel.name}-{wheel.version}"
        if not folder.exists():
            base.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=base) as new:
                made = Path(new) / "made"
                self._install(wheel, made, Path(new))
                self._replace(made, folder)
        return read_folder(folder, SITE)

    def _install(self, wheel: Wheel, to: Path, work: Path) -> None:
        what: object = wheel.requirement
        if wheel.source:
            what = wheel.source if wheel.source.is_file() else _built(wheel.source, work / "dist")
        run(
            *("uv", "pip", "install", "--quiet", "--no-deps", "--no-config", "--link-mode", "copy", "--target", to),
            *("--python-version", python.VERSION),
            *("--python-platform", f"{self._arch.name}-manylinux_{_GLIBC}"),
            what,
        )
        _tidy(to)
        self._check_machine(wheel, to)
        self._python.compile_all(to, SITE)

    def _check_machine(self, wheel: Wheel, folder: Path) -> None:
        """A source archive that has no wheel is compiled for this machine."""
        for path in folder.rglob("*.so*"):
            with path.open("rb") as file:
                made_for = machine(file.read(20))
            if made_for not in (None, self._arch.elf):
                raise BuildFailed(f"{path.name} of {wheel.requirement} is not made for {self._arch.name}")

    @staticmethod
    def _replace(made: Path, folder: Path) -> None:
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # another build, which was faster, made the same
                raise


def _built(source: Path, out: Path) -> Path:
    run("uv", "build", "--quiet", "--wheel", "--no-config", "--out-dir", out, source)
    return next(out.glob("*.whl"))


def _tidy(site: Path) -> None:
    unwanted = [path for pattern in _LITTER for path in site.glob(pattern)]
    unwanted += [path for pattern in _LITTER_ANYWHERE for path in site.rglob(pattern)]
    unwanted += [path for name in _INSTALLERS_NOTES for path in site.glob(f"*.dist-info/{name}")]
    for path in unwanted:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def lean(contents: Contents) -> Contents:
    """The same without what is only read by people: licences, which the root file system has, and the vendors of
    network cards.  Names, versions and entry points stay."""
    unwanted = matching("*.dist-info/licenses", "*.dist-info/sboms", "*.dist-info/LICENSE*", "*/netaddr/eui/*.txt")
    return {path: entry for path, entry in contents.items() if not unwanted(path)}
