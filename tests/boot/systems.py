"""The systems of this test run, published, and machines that boot them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from attrs import define
from boot.published import Publisher

from boot import built
from plasm.config import Config
from plasm_boot import emulator
from plasm_boot.building import stage1
from plasm_boot.building.archives import write_cpio
from plasm_boot.settings import ImageSettings
from plasm_boot.trust.keys import KeyFolder


@define
class World(Publisher):
    """Keys, systems and a repository of them in one folder."""

    def __attrs_post_init__(self) -> None:
        self.keys = KeyFolder(self.folder / "keys", Config.from_environment(os.environ))

    def machine(self, mode: str, folder: Path, arguments: str, *, network: str) -> emulator.Machine:
        """A machine that boots the first stage of ``mode`` without firmware."""
        build = self.folder / "build" / mode
        initrd = folder / f"{mode}.initrd"
        with initrd.open("wb") as file:
            file.write((build / "stage1.cpio.zst").read_bytes())
            settings = ImageSettings.from_bytes((build / "settings.json").read_bytes())
            write_cpio(stage1.settings(settings, self.root), file, 0)
        append = f"console=ttyS0,115200 loglevel=4 panic=30 phase.mode={mode} {arguments}"
        return emulator.Machine(kernel=build / "kernel", initrd=initrd, append=append, memory=1536, network=network)

    def image(self, mode: str, out: Path, *options: str | Path) -> emulator.Machine:
        """A machine that boots a new image of ``mode``, with firmware."""
        root = self.folder / "keys" / "root.json"
        built.run_plasm("image", self.folder / "build", "--root", root, "--mode", mode, "-o", out, *options)
        variables = emulator.copy_variables("x86_64", out.with_suffix(".variables"))
        return emulator.Machine(image=out, variables=variables, memory=1536, network="none")

    def only(self, mode: str, folder: Path) -> World:
        """Another publisher, with the same keys, who publishes this mode alone."""
        shutil.copytree(self.folder / "keys", folder / "keys")
        (folder / "build").mkdir(parents=True)
        (folder / "build" / mode).symlink_to(self.folder / "build" / mode)
        built.run_plasm(
            "publish", folder / "build", "--repo", folder / "repo", "--keys", folder / "keys", "--channel", "stable"
        )
        return World(folder)


def world(systems: Path, folder: Path) -> World:
    """Those who publish ``systems``, whose keys and repository are in ``folder``."""
    (folder / "build").symlink_to(systems)
    built.publish(folder / "build", folder)
    return World(folder)
