"""Fetches the sources of well-known C programs through apt, as this machine is set up to, and unpacks them.

    python tests/breadth/sources.py FOLDER

Everything lies in the folder, so it takes no root and leaves apt's own lists alone; what apt verifies is verified.
What is there already is not fetched again.  Where sources cannot be had, one line says why and the status is 1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

PACKAGES = ("bzip2", "jimtcl", "lua5.4", "sqlite3", "zlib")
"""Names of Debian's source packages; each is unpacked into a folder of its name."""

SECONDS_TO_WAIT = 20
APT_SETTINGS = Path("/etc/apt")


class Unavailable(Exception):
    """The sources cannot be had on this machine; the text says why."""


def main(folder: Path) -> None:
    """Have all packages in ``folder``.

    Raises:
        Unavailable: they cannot be had.
    """
    missing = [package for package in PACKAGES if not (folder / package).is_dir()]
    if not missing:
        return
    sys.stdout.write(f"fetching the sources of {', '.join(missing)}\n")
    sys.stdout.flush()
    archives = folder / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    Apt(folder / "apt").fetch(missing, archives)
    for package in missing:
        unpack(archives, package, folder / package)


class Apt:
    """apt with lists and settings of its own in ``folder``, from where the machine's apt gets its packages."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("apt-get") is None:
            raise Unavailable("this machine has no apt-get")
        for needed in ("state/lists/partial", "cache/archives/partial", "sources"):
            (folder / needed).mkdir(parents=True, exist_ok=True)
        for listed in (APT_SETTINGS / "sources.list", *sorted((APT_SETTINGS / "sources.list.d").glob("*"))):
            if listed.suffix in {".list", ".sources"} and listed.is_file():
                (folder / "sources" / listed.name).write_text(for_sources(listed.read_text(), listed.suffix))
        # With the machine's status apt would look for the sources of the very versions that are installed.
        (folder / "state" / "status").touch()
        options = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "state" / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": folder / "sources",
            "Acquire::http::Timeout": SECONDS_TO_WAIT,
            "Acquire::https::Timeout": SECONDS_TO_WAIT,
            "Acquire::Retries": 1,
        }
        self._options = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]

    def fetch(self, packages: list[str], into: Path) -> None:
        """Download the archives of some source packages.

        Raises:
            Unavailable: some cannot be had.
        """
        update = self._run("update")
        # For a source that it does not reach, apt warns and goes on; often the others have all that is needed.
        source = self._run("source", "--download-only", "--only-source", *packages, folder=into)
        if source.returncode != 0:
            lines = (update.stderr + source.stderr).splitlines()
            complaints = [line[3:] for line in lines if line.startswith(("E: ", "W: Failed", "Err:"))]
            raise Unavailable(f"apt: {complaints[0] if complaints else 'it failed'}")

    def _run(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["apt-get", "--quiet", *self._options, *arguments],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def for_sources(listed: str, suffix: str) -> str:
    """A list of where packages come from, in either of apt's formats, made one of where their sources do."""
    if suffix == ".sources":
        return re.sub(r"(?mi)^Types:.*$", "Types: deb-src", listed)
    packages = [line for line in listed.splitlines() if line.split()[:1] == ["deb"]]
    return "".join(re.sub(r"^\s*deb\b", "deb-src", line) + "\n" for line in packages)


def unpack(archives: Path, package: str, target: Path) -> None:
    """Lay the package's original sources, without Debian's patches, into the folder ``target``, whole or not at all.

    Raises:
        Unavailable: there is no archive of them.
    """
    found = sorted(path for path in archives.glob(f"{package}_*.orig.tar.*") if path.suffix != ".asc")
    if not found:
        raise Unavailable(f"the source package {package} has no original archive")
    aside = target.with_name(f"{package}.part")
    shutil.rmtree(aside, ignore_errors=True)
    with tarfile.open(found[-1]) as archive:
        # The first releases of Python 3.11 have no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(aside)
    inside = list(aside.iterdir())
    (inside[0] if len(inside) == 1 else aside).rename(target)
    shutil.rmtree(aside, ignore_errors=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve())
    except Unavailable as reason:
        sys.exit(f"The well-known programs of tests/breadth are left out: {reason}")
