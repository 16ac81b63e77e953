"""Make a signed APT repository of packages: ``repository.py DEBS OUT``.

One flat folder a release, to be served by any web server or read from a disk; docs/install.md has the line for apt.
``PLASM_APT_KEY`` names the key in the caller's GnuPG keyring that signs; without it, one is made for this once, whose
private half is thrown away.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from build import ARCHITECTURES, RELEASES, Release

KEYRING = "plasm-archive-keyring.gpg"


def run(*command: object, cwd: Path | None = None) -> bytes:
    """Run a program, and return what it printed."""
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, cwd=cwd).stdout  # noqa: S603


class Signer:
    """GnuPG with one key."""

    def __init__(self, key: str | None, temporary: Path) -> None:
        self._home: tuple[object, ...] = ()
        if key is None:
            temporary.chmod(0o700)
            self._home = ("--homedir", temporary)
            key = "Plasm packages, a key for one build"
            self._gpg("--passphrase", "", "--quick-generate-key", key, "ed25519", "sign", "never")
        self._key = key

    def _gpg(self, *arguments: object) -> bytes:
        return run("gpg", "--batch", "--yes", "--quiet", "--no-tty", *self._home, *arguments)

    def public_key(self) -> bytes:
        return self._gpg("--export", self._key)

    def sign(self, folder: Path) -> None:
        """Sign the file ``Release`` in ``folder``, both ways that apt knows."""
        asked = ("--local-user", self._key, "--output")
        self._gpg(*asked, folder / "InRelease", "--clear-sign", folder / "Release")
        self._gpg(*asked, folder / "Release.gpg", "--armor", "--detach-sign", folder / "Release")


def index(folder: Path, release: Release) -> None:
    """Write what apt reads about the packages in ``folder``."""
    packages = run("apt-ftparchive", "packages", ".", cwd=folder)
    (folder / "Packages").write_bytes(packages)
    (folder / "Packages.gz").write_bytes(gzip.compress(packages, 9, mtime=0))
    about = {
        "Origin": "Plasm",
        "Label": "Plasm",
        "Suite": release.name,
        "Codename": release.name,
        "Architectures": " ".join(each.name for each in ARCHITECTURES),
        "Description": f"Plasm for {release.name}",
    }
    options = [word for key, value in about.items() for word in ("-o", f"APT::FTPArchive::Release::{key}={value}")]
    (folder / "Release").write_bytes(run("apt-ftparchive", *options, "release", ".", cwd=folder))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("debs", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plasm-apt-") as temporary:
        signer = Signer(os.environ.get("PLASM_APT_KEY") or None, Path(temporary))
        for release in RELEASES:
            debs = sorted(asked.debs.glob(f"*+{release.mark}_*.deb"))
            if not debs:
                continue
            folder = asked.out / release.name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for deb in debs:
                shutil.copy(deb, folder)
            index(folder, release)
            signer.sign(folder)
            sys.stdout.write(f"{folder}: {len(debs)} packages\n")
        (asked.out / KEYRING).write_bytes(signer.public_key())


if __name__ == "__main__":
    main()
