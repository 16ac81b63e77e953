"""Measures what Phase Boot makes and how long a machine takes, from its firmware to a receipt.

python bench/boot.py BUILD REPOSITORY PORT

BUILD is what ``plasm boot build`` made, with an image, and REPOSITORY where it was published.  Times are ratios to a
bare kernel with busybox, which is the same kernel in the same emulator.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from plasm_boot import emulator
from plasm_boot.building.archives import write_cpio
from plasm_boot.building.contents import FOLDER, file
from plasm_boot.system import System

BUSYBOX = Path("/bin/busybox")
UP = "busybox is up"
STEPS = {
    "the menu": r"Reboot Into Firmware",
    "stage 1": r"Phase Boot",
    "an address": r"addresses: ",
    "a verified manifest": r"verified manifest",
    "a verified root file system": r"verified rootfs",
    "stage 2": r"stage 2: mounting",
    "systemd": r"Welcome to",
    "a receipt": r"phase: receipt END",
}
AIMS_MB = {"local": 25.0, "internet": 35.0}
PATIENCE_S = 600.0


def watch(machine: emulator.Machine, patterns: dict[str, str]) -> dict[str, float]:
    """Seconds from the start of ``machine`` until each pattern was on its console; the machine is ended then."""
    command = emulator.command(machine)
    start = time.monotonic()
    reached: dict[str, float] = {}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout
        said = ""
        try:
            while len(reached) < len(patterns) and time.monotonic() - start < PATIENCE_S:
                data = running.stdout.read1(65536)
                if not data:
                    break
                said += data.decode("utf-8", "replace")
                for name, pattern in patterns.items():
                    if name not in reached and re.search(pattern, said):
                        reached[name] = time.monotonic() - start
        finally:
            running.kill()
    if len(reached) < len(patterns):
        sys.exit(f"the machine did not get as far as: {', '.join(patterns.keys() - reached)}\n{said[-2000:]}")
    return reached


def bare(kernel: Path, folder: Path) -> float:
    """Seconds from the start of a machine with ``kernel`` until busybox runs in it."""
    initrd = folder / "busybox.cpio"
    script = f"#!/bin/busybox sh\n/bin/busybox echo {UP}\n/bin/busybox sleep 1000\n"
    with initrd.open("wb") as archive:
        write_cpio(
            {
                "bin": FOLDER,
                "bin/busybox": file(BUSYBOX, 0o755),
                "dev": FOLDER,
                "init": file(script, 0o755),
            },
            archive,
            0,
        )
    machine = emulator.Machine(
        kernel=kernel, initrd=initrd, append="console=ttyS0 quiet", memory=512, network="none", serial="stdio"
    )
    return watch(machine, {"up": UP})["up"]


@contextmanager
def provider(repository: Path, port: int) -> Iterator[None]:
    """``repository`` served to the machine while the block lasts."""
    words = [sys.executable, "-m", "plasm", "provide", repository, "--listen", f"127.0.0.1:{port}"]
    words += ["--discovery", "none"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stderr
        try:
            next(line for line in serving.stderr if "is served" in line)
            yield
        finally:
            serving.terminate()


def show_sizes(build: Path) -> None:
    """Print the size of each artifact of each mode."""
    for folder in sorted(path.parent for path in build.glob("*/system.json")):
        system = System.from_bytes((folder / "system.json").read_bytes())
        stage1 = (folder / "stage1.cpio.zst").stat().st_size / 1e6
        aim = f"  aim {AIMS_MB[system.mode]:.0f} MB" if system.mode in AIMS_MB else ""
        print(f"{system.mode}: stage 1 {stage1:.1f} MB{aim}")
        for name, path in (("initramfs", "initramfs"), ("rootfs", "rootfs.squashfs"), ("kernel", "kernel")):
            print(f"{system.mode}: {name} {(folder / path).stat().st_size / 1e6:.1f} MB")
    for image in build.glob("image.*"):
        print(f"{image.name}: {image.stat().st_size / 1e6:.1f} MB")


def main(arguments: Sequence[str]) -> None:
    """Print every measurement."""
    build, repository, port = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    show_sizes(build)
    kernel = next(build.glob("*/kernel"))
    with tempfile.TemporaryDirectory(prefix="plasm-bench-") as name:
        folder = Path(name)
        before = bare(kernel, folder)
        variables = emulator.copy_variables("x86_64", folder / "variables")
        machine = emulator.Machine(
            image=build / "image.qcow2",
            arguments=f"phase.provider=http://10.0.2.2:{port}",
            snapshot=True,
            variables=variables,
            serial="stdio",
            memory=2048,
        )
        with provider(repository, port):
            reached = watch(machine, STEPS)
        reference = (before + bare(kernel, folder)) / 2
    print(f"a bare kernel with busybox: {reference:.1f} s, which is 1x")
    for step, seconds in sorted(reached.items(), key=lambda item: item[1]):
        print(f"from firmware to {step:<30} {seconds:6.1f} s  {seconds / reference:5.1f}x")


if __name__ == "__main__":
    main(sys.argv[1:])
