"""A boot mode that somebody else published is built, listed in the menu and booted as ours are."""

from __future__ import annotations

import faulthandler
import subprocess
from pathlib import Path

import pytest
from boot.machines import running

from boot import built
from plasm_boot import emulator
from plasm_boot.building.run import find

pytestmark = pytest.mark.once

BOOT_S = 240

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "plasm-plugin-boot-mode-museum"
version = "1.2.3"

[project.entry-points."plasm.boot_mode"]
museum = "museum"

[tool.hatch.build.targets.wheel]
include = ["museum.py"]
"""

MODE = """
from plasm.contracts import BootMode
from plasm.contracts.boot import BootPolicy
from plasm.hookspecs import hookimpl

PLASM_HOOK_API = 1


@hookimpl
def plasm_boot_mode():
    return BootMode(
        name="museum",
        title="Museum of Jobs",
        plugins={"runtime": ("wasmtime",), "signing": ("ed25519",)},
        policy=BootPolicy(persistent_identity=False, cache=False, writes=False, network_scope="none"),
        kernel_arguments=("museum.floor=2",),
    )
"""


@pytest.fixture
def museum(tmp_path: Path) -> Path:
    """A folder of distributions, in which the mode is installed."""
    uv = find("uv")
    if uv is None or find("qemu-system-x86_64") is None:
        pytest.skip("needs uv and qemu-system-x86_64")
    project, site = tmp_path / "project", tmp_path / "site"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "museum.py").write_text(MODE)
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--target", site, project], check=True)
    return site


def test_a_fourth_mode_is_in_the_menu_and_boots_the_kernel_for_real_machines(
    built_systems: Path, museum: Path, tmp_path: Path
) -> None:
    """Chosen at the rescue menu of a mode that cannot boot here, which hands that on to the boot menu."""
    faulthandler.cancel_dump_traceback_later()
    build, image = tmp_path / "build", tmp_path / "image.img"
    installed = {"PYTHONPATH": str(museum)}
    built.run_plasm("build", "--mode", "museum", "--kernel", "generic", "--effort", built.EFFORT, build, **installed)
    for mode in built.MODES:
        (build / mode).symlink_to(built_systems / mode)
    repository, root = built.publish(build, tmp_path)
    modes = [word for mode in (*built.MODES, "museum") for word in ("--mode", mode)]
    built.run_plasm("image", build, "--root", root, "--repo", repository, *modes, "-o", image, **installed)

    variables = emulator.copy_variables("x86_64", tmp_path / "variables")
    machine = emulator.Machine(image=image, variables=variables, memory=1536, network="none")
    with running(machine) as console:
        for title in ("Internet", "Local", "Private", "Museum of Jobs"):
            console.expect(title, BOOT_S)
        console.send("\x1b[B" + "\r")
        console.expect("Plasm, Local mode", BOOT_S)
        console.expect("failed: this machine has no wired link", BOOT_S)
        console.expect("any key stops that", 10)
        console.send("m")
        console.expect("4  Museum of Jobs", 60)
        console.send("4")
        console.expect("Plasm, Museum of Jobs mode", BOOT_S)
        console.expect("everything is verified: handing over", BOOT_S)
        console.receipt(BOOT_S)
