"""Systems that were really built, once for a test run, and what is in them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from plasm_boot.building import builder
from plasm_boot.building.run import find
from world import ROOT

WORK = ROOT / "build" / "boot"
EPOCH = 1_764_000_000
MODES = ("internet", "local", "private")
EFFORT = "3"


def reason_not_to() -> str | None:
    """Why nothing is built here, if nothing is."""
    if sys.version_info[:2] != (3, 11):
        return "boot images are built once, with Python 3.11 as Debian 12 has it"
    if os.uname().machine != "x86_64":
        return "boot images are built on x86_64"
    missing = [program for program in (*builder.TOOLS, "mformat", "sfdisk", "mke2fs", "qemu-img") if not find(program)]
    return f"not here: {', '.join(missing)} (make test installs them where it may)" if missing else None


def environment(**more: str) -> dict[str, str]:
    """For commands that build: what they keep for the next time outlives the test run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PLASM_", "SOURCE_DATE"))}
    return kept | {"PLASM_HOME": str(WORK / "home"), "SOURCE_DATE_EPOCH": str(EPOCH), **more}


def run_plasm(*arguments: object, status: int = 0, **variables: str) -> str:
    """Run ``plasm boot`` with these arguments; returns what it printed."""
    words = [sys.executable, "-m", "plasm", "boot", *(str(argument) for argument in arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment(**variables))
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def systems(test_run: str) -> Path:
    """A folder with the system of each of our modes; one for one test run, which is gone when others begin."""
    WORK.mkdir(parents=True, exist_ok=True)
    lock = (WORK / f"{test_run}.lock").open("w")
    _in_use.append(lock)
    # Shared at first: who uses what is built holds the lock until its process ends, and must keep nobody waiting.
    fcntl.flock(lock, fcntl.LOCK_SH)
    folder = WORK / test_run
    if not (folder / "whole").exists():
        fcntl.flock(lock, fcntl.LOCK_EX)
    if not (folder / "whole").exists():
        _forget_other_runs(test_run)
        shutil.rmtree(folder, ignore_errors=True)
        modes = [word for mode in MODES for word in ("--mode", mode)]
        run_plasm("build", *modes, "--effort", EFFORT, folder)
        (folder / "whole").touch()
    fcntl.flock(lock, fcntl.LOCK_SH)
    return folder


# Held until this process ends, so that another test run does not remove what this one uses.
_in_use: list[TextIO] = []


def _forget_other_runs(test_run: str) -> None:
    for path in WORK.glob("*.lock"):
        with path.open("w") as lock, suppress(BlockingIOError):
            if path.stem != test_run:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink()


def unpack_initramfs(path: Path) -> dict[str, bytes]:
    """The files of a compressed cpio archive, by their paths."""
    data = subprocess.run(["zstd", "-dcq", path], stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout
    return unpack_cpio(data)


def unpack_cpio(data: bytes) -> dict[str, bytes]:
    """The files and links of a newc archive, by their paths."""
    found: dict[str, bytes] = {}
    position = 0
    while True:
        assert data[position : position + 6] == b"070701"
        fields = [int(data[position + 6 + 8 * each : position + 14 + 8 * each], 16) for each in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[position + 110 : position + 110 + name_size - 1].decode()
        begin = position + 110 + name_size + -(110 + name_size) % 4
        if name == "TRAILER!!!":
            return found
        if not stat.S_ISDIR(mode):
            found[name] = data[begin : begin + size]
        position = begin + size + -size % 4


def list_rootfs(path: Path) -> set[str]:
    """The paths in a squashfs file."""
    listed = subprocess.run(["unsquashfs", "-d", "", "-l", path], capture_output=True, text=True, check=True).stdout
    return {line.lstrip("/") for line in listed.splitlines() if line.startswith("/")}


def read_rootfs(path: Path, name: str) -> bytes:
    """A file in a squashfs file."""
    return subprocess.run(["unsquashfs", "-cat", path, name], capture_output=True, check=True).stdout


def publish(build: Path, folder: Path) -> tuple[Path, Path]:
    """Publish ``build`` under keys of its own; returns the repository and the root metadata, both in ``folder``."""
    run_plasm("keys", "init", folder / "keys")
    run_plasm("publish", build, "--repo", folder / "repo", "--keys", folder / "keys", "--channel", "stable")
    return folder / "repo", folder / "keys" / "root.json"


def json_of(text: str) -> dict[str, object]:
    """A document that a command printed."""
    document: dict[str, object] = json.loads(text)
    return document
