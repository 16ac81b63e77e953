"""``plasm boot write``: an image onto a USB stick or a card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from plasm.errors import InvalidInput
from plasm.ops.console import say, show_json
from plasm_boot import writing
from plasm_boot.cli.options import AsJson
from plasm_boot.cli.progress import bars, mover

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm boot write image.img /dev/sdX
  plasm boot write image.img /dev/sdX --yes --json
  plasm boot write image.img /dev/nvme1n1 --force    a device that is not removable

\b
What was on the device is lost.  A device that is in use is never written to.
"""


@app.command(epilog=EXAMPLES)
def write(
    image: Annotated[Path, typer.Argument(help="A raw image: plasm boot image … -o image.img", metavar="IMAGE")],
    device: Annotated[Path, typer.Argument(help="The device, not one of its partitions.", metavar="DEVICE")],
    force: Annotated[bool, typer.Option("--force", help="Also to what is no whole removable device.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_: AsJson = False,
) -> None:
    """Write an image to a device, and read it back."""
    size = writing.check_image(image)
    target = writing.inspect(device)
    writing.check_device(target, size, forced=force)
    if not yes:
        _ask(target)
    with bars() as shown:
        writing.write(image, device, mover(shown, "writing", size), mover(shown, "reading back", size))
    if json_:
        show_json({"device": str(device), "bytes": size, "verified": True})
    else:
        say(f"{device} holds {image} now, {size / 1e6:.1f} MB, and has been read back")


def _ask(target: writing.Device) -> None:
    if not sys.stdin.isatty():
        raise InvalidInput("nobody is there to confirm", hint="say --yes")
    typer.confirm(f"Everything on {target.title} will be lost. Go on?", abort=True, err=True)
