"""Builds systems, one a mode: what ``plasm boot publish`` publishes and what goes onto a medium.

``BUILD/<mode>/`` then holds ``kernel``, ``initramfs``, ``rootfs.squashfs`` and ``system.json``, which are published;
``stage1.cpio.zst``, ``settings.json`` and ``boot-loader.efi``, which images are made of besides the kernel; and
``bom.cdx.json``, which says what is in all that.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attrs import field, frozen

from plasm.plugins import PluginHost, PluginKind
from plasm_boot.building import bom, debian, emulation, kernel, rootfs, squashfs, stage1, stage2, wheels
from plasm_boot.building.architectures import Architecture
from plasm_boot.building.archives import write_cpio
from plasm_boot.building.contents import Contents
from plasm_boot.building.run import require, run
from plasm_boot.composition.composing import Composition, compose
from plasm_boot.composition.distributions import Wheel
from plasm_boot.settings import ImageSettings
from plasm_boot.system import SYSTEM, System, SystemFile, SystemFiles

STAGE1: Final = "stage1.cpio.zst"
SETTINGS: Final = "settings.json"
BOOT_LOADER: Final = "boot-loader.efi"
TOOLS: Final = (*debian.TOOLS, *kernel.TOOLS, *squashfs.TOOLS, *wheels.TOOLS, "zstd")

Report = Callable[[str], None]


@frozen
class Order:
    """What to build.  ``extra`` are plugins besides those that the modes choose; ``effort`` is zstd's level from 1 to
    19; everything in the results is as old as ``epoch``, in seconds."""

    modes: tuple[str, ...]
    arch: Architecture
    epoch: int
    kernel: str = "cloud"
    extra: tuple[tuple[PluginKind, str], ...] = ()
    channel: str = "stable"
    providers: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    shell: bool = False
    effort: int = field(default=15)


@frozen
class Built:
    """A system that was built, and how large its parts are in bytes, by their names."""

    system: System
    folder: Path
    sizes: Mapping[str, int]


def epoch_of(environ: Mapping[str, str]) -> int:
    """How old what is built shall be: SOURCE_DATE_EPOCH, or now."""
    return int(environ.get("SOURCE_DATE_EPOCH") or time.time())


def build(order: Order, host: PluginHost, out: Path, report: Report) -> list[Built]:
    """Build every mode of ``order`` below ``out``; ``report`` is told what is being done.

    Raises:
        ToolMissing: programs are not here; it names all of them.
        PluginError: a mode or a plugin is not here or cannot be asked.
        BuildFailed: a step failed.
    """
    require((*TOOLS, *emulation.tools(order.arch)))
    compositions = [compose(host, mode, order.extra, order.arch.name) for mode in order.modes]
    packages = {package for each in compositions for package in each.needs.debian_packages}
    if order.shell:
        packages.update(debian.SHELL_PACKAGES)
    out.mkdir(parents=True, exist_ok=True)
    cache = host.config.cache_dir / "boot"
    cache.mkdir(parents=True, exist_ok=True)
    report(f"Debian {debian.SUITE} for {order.arch.name}")
    tree = debian.make(cache, order.arch, order.kernel, sorted(packages))
    with tempfile.TemporaryDirectory(prefix=".new-", dir=out) as new:
        house = wheels.Wheelhouse(cache, Path(new), order.arch, tree.python)
        return [_build(order, each, tree, house, Path(new), out, report) for each in compositions]


def _build(
    order: Order,
    composition: Composition,
    tree: debian.Debian,
    house: wheels.Wheelhouse,
    work: Path,
    out: Path,
    report: Report,
) -> Built:
    mode = composition.mode
    folder = work / mode.name
    folder.mkdir()

    report(f"{mode.name}: {len(composition.rootfs_wheels)} wheels")
    modules = composition.needs.kernel_modules
    first_wheels = _together(house, composition.stage1_wheels)
    all_wheels = _together(house, composition.rootfs_wheels)
    first = stage1.stage1(tree, first_wheels, mode, modules, shell=order.shell)
    second = stage2.stage2(tree, all_wheels, modules)
    root = rootfs.rootfs(
        tree, all_wheels, composition.needs, mode, _node_settings(composition, order), shell=order.shell
    )

    report(f"{mode.name}: stage 1")
    _write_initramfs(first, folder / STAGE1, order)
    report(f"{mode.name}: stage 2")
    shutil.copy(tree.vmlinuz, folder / "kernel")
    _write_initramfs(second, folder / "initramfs", order)
    verity = squashfs.write_squashfs(root, folder / "rootfs.squashfs", order.epoch, order.effort)

    built_at = datetime.fromtimestamp(order.epoch, UTC)
    kernel_file, initramfs_file, rootfs_file = (
        SystemFile.of(folder / name) for name in ("kernel", "initramfs", "rootfs.squashfs")
    )
    system = System(
        mode=mode.name,
        arch=order.arch.name,
        cmdline=" ".join((*console_arguments(order.arch), f"phase.verity={verity.argument}", *mode.kernel_arguments)),
        built_at=built_at,
        files=SystemFiles(kernel_file, initramfs_file, rootfs_file),
    )
    (folder / SYSTEM).write_bytes(system.to_bytes())
    shutil.copy(tree.boot_loader, folder / BOOT_LOADER)
    (folder / SETTINGS).write_bytes(_settings(order, composition, built_at).to_bytes())
    parts = {"stage 1": first, "initramfs": second, "rootfs": root}
    bom.write(folder / "bom.cdx.json", composition, tree, parts, system, house)
    _replace(folder, out / mode.name)
    sizes = {path.name: path.stat().st_size for path in sorted((out / mode.name).iterdir())}
    return Built(system, out / mode.name, sizes)


def console_arguments(arch: Architecture) -> tuple[str, ...]:
    """The consoles of a machine, screen and serial; programs of the kernel's own write to the last."""
    return ("console=tty0", f"console={arch.serial},115200", "loglevel=4", "panic=30")


def _together(house: wheels.Wheelhouse, chosen: Iterable[Wheel]) -> Contents:
    contents: Contents = {}
    for wheel in chosen:
        contents |= house.contents(wheel)
    return contents


def _node_settings(composition: Composition, order: Order) -> dict[str, object]:
    """Keys of the node's configuration for the mode's choice of plugins."""
    names = composition.plugin_names
    single = {"runtime": "runtime", "signer": "signing", "transport": "transport"}
    said: dict[str, object] = {key: names[kind][0] for key, kind in single.items() if kind in names}
    said["discoveries"] = names.get("discovery", ("none",))
    if order.bootstrap:
        said["bootstrap"] = order.bootstrap
    return said


def _settings(order: Order, composition: Composition, built_at: datetime) -> ImageSettings:
    mode, policy = composition.mode, composition.mode.policy
    return ImageSettings(
        mode=mode.name,
        title=mode.title,
        channel=order.channel,
        arch=order.arch.name,
        built_at=built_at,
        plugins=composition.plugin_names,
        persistent_identity=policy.persistent_identity,
        cache=policy.cache,
        writes=policy.writes,
        network_scope=policy.network_scope,
        providers=order.providers,
        bootstrap=order.bootstrap,
        shell=order.shell,
    )


def _write_initramfs(contents: Contents, path: Path, order: Order) -> None:
    """A compressed archive, padded with zeros so that the kernel finds another archive behind it."""
    plain = path.with_name(f"{path.name}.plain")
    with plain.open("wb") as file:
        write_cpio(contents, file, order.epoch)
    run("zstd", "--quiet", "--force", f"-{order.effort}", "--threads=0", "-o", path, plain)
    plain.unlink()
    os.truncate(path, path.stat().st_size + -path.stat().st_size % 4)


def _replace(new: Path, place: Path) -> None:
    """Put the folder ``new`` in its ``place``; what was there goes."""
    if place.exists():
        place.rename(new.with_name(f"{new.name}.old"))
    new.rename(place)
