"""Installs the packages that the JavaScript programs here need, as package-lock.json pins them, from npm's registry.

    python tests/interop/install.py FOLDER

What is there already is not fetched again.  Where the programs cannot run or the packages cannot be had, one line says
why and the status is 1.

`npm ci` refuses a package-lock.json that leaves out a platform.  The registry with which it was made had QUIC for Linux
on x86-64 only, so the six others are in it by their versions, without digests.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
PINS = (HERE / "package.json", HERE / "package-lock.json", HERE / ".npmrc")
OLDEST_NODE = (18, 19)
SECONDS_TO_WAIT = 20
SECONDS_ALTOGETHER = 300


class Unavailable(Exception):
    """The programs cannot run on this machine; the text says why."""


def install(folder: Path) -> Path:
    """Have the packages under ``folder``; returns their ``node_modules``.

    Raises:
        Unavailable: they cannot be had, or not be run.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")
    check_version(subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout)
    target = folder / hashlib.sha256(b"".join(path.read_bytes() for path in PINS)).hexdigest()[:16]
    if not target.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="part-", dir=folder) as part:
            fetch(Path(part) / "packages")
            # Where another process was faster, its folder is as good.
            with suppress(OSError):
                (Path(part) / "packages").rename(target)
    return target / "node_modules"


def check_version(said: str) -> None:
    """Take what ``node --version`` said.

    Raises:
        Unavailable: js-libp2p does not run on it.
    """
    numbers = re.match(r"v(\d+)\.(\d+)\.", said)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST_NODE:
        oldest = ".".join(map(str, OLDEST_NODE))
        raise Unavailable(f"js-libp2p needs Node {oldest} or newer; node is {said.strip() or 'broken'}")


def fetch(folder: Path) -> None:
    """Fetch the packages into the new ``folder``.

    Raises:
        Unavailable: they cannot be had.
    """
    folder.mkdir()
    for path in PINS:
        shutil.copy(path, folder)
    quick = (f"--fetch-timeout={SECONDS_TO_WAIT * 1000}", "--fetch-retries=0")
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier")
    try:
        # No package gets to run a script of its own.
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--prefer-offline", *quick, *quiet],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_ALTOGETHER,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm: not done after {SECONDS_ALTOGETHER} s") from None
    if done.returncode != 0:
        complaints = re.findall(r"(?m)^npm (?:error|ERR!) (?!code|syscall|errno)(?:.*reason: )?(.+)$", done.stderr)
        raise Unavailable(f"npm: {complaints[0] if complaints else 'it failed'}")


if __name__ == "__main__":
    try:
        install(Path(sys.argv[1]).resolve())
    except Unavailable as reason:
        sys.exit(f"The tests with js-libp2p are left out: {reason}")
