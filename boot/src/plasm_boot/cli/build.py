"""``plasm boot build``: the systems of boot modes, and an image to boot them from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from plasm.errors import UnwritableOutput
from plasm.ops.console import say, show_json
from plasm.plugins import PluginHost, PluginKind
from plasm_boot.building.architectures import architecture
from plasm_boot.building.builder import Built, Order, epoch_of
from plasm_boot.building.builder import build as build_systems
from plasm_boot.cli.image import make_image, needs_medium, parse_state
from plasm_boot.cli.options import (
    DEFAULT_STATE,
    ArchName,
    AsJson,
    Bootstrap,
    ChannelName,
    Modes,
    Providers,
    StateSize,
)
from plasm_boot.composition.composing import parse_plugins

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm boot build --mode local build/
  plasm boot build --root keys/root.json build/             every mode, and build/image.qcow2
  plasm boot build --mode local --plugins runtime:wasmer,extension:quota build/
  SOURCE_DATE_EPOCH=1764000000 plasm boot build build/      the same bytes as the last time

\b
It need not be root who builds.  Then publish BUILD/, and make an image of the modes that boot their own medium with
plasm boot image.
"""


@app.command(epilog=EXAMPLES)
def build(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(help="The folder to build in, one folder a mode.", metavar="BUILD/")],
    mode: Modes = None,
    plugins: Annotated[
        list[str] | None, typer.Option(help="More plugins than the modes choose.", metavar="KIND:NAME,…")
    ] = None,
    arch: Annotated[ArchName, typer.Option(help="The architecture.")] = "x86_64",
    kernel: Annotated[
        Literal["cloud", "generic"], typer.Option(help="Debian's kernel for virtual machines, or for real ones.")
    ] = "cloud",
    channel: Annotated[ChannelName, typer.Option(help="The channel that machines look for.")] = "stable",
    root: Annotated[
        Path | None, typer.Option(help="Root metadata to trust: makes an image, too.", metavar="ROOT.JSON")
    ] = None,
    provider: Providers = None,
    bootstrap: Bootstrap = None,
    state: StateSize = DEFAULT_STATE,
    shell: Annotated[bool, typer.Option("--shell", help="Let whoever is at the machine have a root shell.")] = False,
    effort: Annotated[int, typer.Option(help="How hard to compress.", min=1, max=19)] = 15,
    json_: AsJson = False,
) -> None:
    """Build the system of each mode: kernel, initramfs, root file system, a first stage and a bill of materials."""
    host: PluginHost = ctx.obj.host
    state_bytes = parse_state(state)
    order = Order(
        modes=tuple(dict.fromkeys(mode or _every_mode(host))),
        arch=architecture(arch),
        epoch=epoch_of(os.environ),
        kernel=kernel,
        extra=parse_plugins(plugins or ()),
        channel=channel,
        providers=tuple(provider or ()),
        bootstrap=tuple(bootstrap or ()),
        shell=shell,
        effort=effort,
    )
    try:
        built = build_systems(order, host, out, say)
    except OSError as error:
        raise UnwritableOutput(f"{error.filename or out} cannot be written: {error.strerror}") from None
    image = None
    if root is not None:
        image = _image(built, root, state_bytes, out / "image.qcow2")
    tell(built, image, as_json=json_)


def _every_mode(host: PluginHost) -> list[str]:
    return [entry.name for entry in host.entries if entry.kind is PluginKind.BOOT_MODE and not host.disabled(entry)]


def _image(built: list[Built], root: Path, state_bytes: int, out: Path) -> Path | None:
    folders = [each.folder for each in built if not needs_medium(each.folder)]
    for each in built:
        if each.folder not in folders:
            say(f"{each.system.mode} boots its own medium: publish it, then plasm boot image --mode {each.system.mode}")
    if not folders:
        return None
    say(f"image {out}")
    make_image(folders, root, None, state_bytes, out)
    return out


def tell(built: list[Built], image: Path | None, *, as_json: bool) -> None:
    """Say what was built, and how large it is."""
    if as_json:
        show_json(
            {
                "systems": [
                    {
                        "mode": each.system.mode,
                        "arch": each.system.arch,
                        "folder": str(each.folder),
                        "cmdline": each.system.cmdline,
                        "sizes": dict(each.sizes),
                    }
                    for each in built
                ],
                "image": None if image is None else {"path": str(image), "size": image.stat().st_size},
            }
        )
        return
    typer.echo(f"{'mode':<12}{'stage 1':>10}{'kernel':>10}{'initramfs':>11}{'rootfs':>10}  MB")
    for each in built:
        stage1, kernel, initramfs, rootfs = (
            each.sizes[name] / 1e6 for name in ("stage1.cpio.zst", "kernel", "initramfs", "rootfs.squashfs")
        )
        typer.echo(f"{each.system.mode:<12}{stage1:>10.1f}{kernel:>10.1f}{initramfs:>11.1f}{rootfs:>10.1f}")
    if image is not None:
        typer.echo(f"{image}: {image.stat().st_size / 1e6:.1f} MB")
    for each in built:
        typer.echo(f"{each.folder / 'bom.cdx.json'}: what is in it")
