"""``plasm boot image``: a medium that machines boot from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from attrs import evolve

from plasm.errors import InvalidInput, UnreadableInput, UnwritableOutput
from plasm.model.quantities import format_size, parse_size
from plasm.ops.console import say, show_json
from plasm_boot.building.contents import Contents
from plasm_boot.building.image import MIN_STATE_BYTES, Bootable, write_image
from plasm_boot.building.medium import published
from plasm_boot.cli.options import DEFAULT_STATE, AsJson, Bootstrap, Modes, Providers, Root, StateSize
from plasm_boot.system import SYSTEM
from plasm_boot.trust.keys import trusted_root

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm boot image build/ --root keys/root.json                        build/image.qcow2, for emulators
  plasm boot image build/ --root keys/root.json -o image.img           raw, for plasm boot write
  plasm boot image build/ --root keys/root.json --repo repo/ --mode private --state 0 -o private.img

\b
Modes are in the menu in the order in which they are named; the first one boots when nobody chooses.
"""


@app.command(epilog=EXAMPLES)
def image(
    build: Annotated[Path, typer.Argument(help="What plasm boot build made.", metavar="BUILD/")],
    root: Root,
    repo: Annotated[
        Path | None, typer.Option(help="A published repository, for modes without a network.", metavar="REPO/")
    ] = None,
    mode: Modes = None,
    provider: Providers = None,
    bootstrap: Bootstrap = None,
    state: StateSize = DEFAULT_STATE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The image: .qcow2, or raw.", metavar="FILE")] = None,
    json_: AsJson = False,
) -> None:
    """Make an image: systemd-boot, the first stage of each mode, and a partition to keep state on."""
    place = out or build / "image.qcow2"
    folders = [build / name for name in mode] if mode else _built(build)
    make_image(folders, root, repo, parse_state(state), place, tuple(provider or ()), tuple(bootstrap or ()))
    size = place.stat().st_size
    if json_:
        show_json({"path": str(place), "size": size, "modes": [folder.name for folder in folders]})
    else:
        typer.echo(f"{place}: {size / 1e6:.1f} MB")


def make_image(
    folders: Sequence[Path],
    root: Path,
    repo: Path | None,
    state_bytes: int,
    out: Path,
    providers: tuple[str, ...] = (),
    bootstrap: tuple[str, ...] = (),
) -> None:
    """Write an image of the systems in ``folders`` that trusts ``root``, to ``out``.

    Raises:
        InvalidInput: a mode boots its own medium, and there is no ``repo`` to take what it boots from.
        InvalidKeys, RootIncomplete: ``root`` is no root metadata that machines could begin with now.
        InvalidSystem: a system's settings are none.
        UnreadableInput: a system or the root metadata cannot be read.
        UnwritableOutput: the image cannot be written.
        Untrusted: what ``repo`` has does not verify.
        BuildFailed: a program failed.
    """
    now = datetime.now(UTC)
    trusted = trusted_root(root, now)
    systems = [_told(Bootable.read(folder), providers, bootstrap) for folder in folders]
    repository: Contents = {}
    for each in systems:
        if each.settings.network_scope == "none":
            if repo is None:
                raise InvalidInput(
                    f"{each.system.mode} boots its own medium, and nothing says what",
                    hint="publish it first, then name the repository: --repo REPO/",
                )
            repository |= published(repo, trusted, each.system, each.settings.channel, now)
    if state_bytes and not any(each.settings.writes for each in systems):
        say("none of these modes writes: the image has no partition for state")
        state_bytes = 0
    try:
        write_image(systems, trusted, repository, state_bytes, out)
    except OSError as error:
        raise UnwritableOutput(f"{out} cannot be written: {error.strerror}") from None


def needs_medium(folder: Path) -> bool:
    """Whether the system in ``folder`` is of a mode that boots its own medium."""
    return Bootable.read(folder).settings.network_scope == "none"


def parse_state(text: str) -> int:
    """A size for the partition that keeps state, in bytes and whole MiB; 0 for none.

    Raises:
        InvalidInput: it is no size, or too small for a file system.
    """
    size = parse_size(text)
    if 0 < size < MIN_STATE_BYTES:
        raise InvalidInput(f"{text} is too small to keep state on", hint=f"at least {format_size(MIN_STATE_BYTES)}")
    return -(-size // 2**20) * 2**20


def _told(system: Bootable, providers: tuple[str, ...], bootstrap: tuple[str, ...]) -> Bootable:
    settings = system.settings
    return evolve(
        system,
        settings=evolve(settings, providers=settings.providers + providers, bootstrap=settings.bootstrap + bootstrap),
    )


def _built(build: Path) -> list[Path]:
    folders = sorted(path.parent for path in build.glob(f"*/{SYSTEM}") if not path.parent.name.startswith("."))
    if not folders:
        raise UnreadableInput(f"there is no system in {build}", hint="give a folder that plasm boot build wrote")
    return folders
