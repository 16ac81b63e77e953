"""``plasm boot fetch``: what a machine would boot, verified, into a folder."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from plasm.errors import UnreadableInput
from plasm.files import unfinished, write_atomically
from plasm.model.text import printable
from plasm.ops.console import show_json
from plasm_boot.cli.options import AsJson, Channel, MemoryFolder, Mode, Repos, Root, ThisArch
from plasm_boot.cli.progress import TerminalReport
from plasm_boot.fetching.downloads import download
from plasm_boot.fetching.opening import open_source
from plasm_boot.fetching.search import Found, Search
from plasm_boot.fetching.store import ArtifactStore
from plasm_boot.manifest import ARCHITECTURES
from plasm_boot.trust.public_files import writing
from plasm_boot.trust.verification import TrustedRepository

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm boot fetch --repo http://192.0.2.7:8380/ --root keys/root.json --to system/
  plasm boot fetch --repo repo/ --repo http://192.0.2.7:8380/ --root keys/root.json --mode private --to system/

\b
With --memory nothing older than what was seen before is taken; a broken download is continued by the next fetch.
"""

_MAX_ROOT_BYTES = 512 * 1024
_KEPT = ".artifacts"


@app.command(epilog=EXAMPLES)
def fetch(
    repo: Repos,
    root: Root,
    to: Annotated[Path, typer.Option(help="The folder to put it in.", metavar="DIR")],
    channel: Channel = "stable",
    arch: ThisArch = None,
    mode: Mode = "local",
    memory: MemoryFolder = None,
    json_: AsJson = False,
) -> None:
    """Fetch the newest system that verifies: its manifest, kernel, initramfs and root file system."""
    with TerminalReport() as progress:
        found = search(repo, root, memory, (channel, arch or this_arch(), mode), progress)
        store = ArtifactStore(to / _KEPT)
        paths = download(found, store, report=progress)
    store.forget_all_but({one.sha256 for one in found.verified.manifest.artifacts.values()})
    with writing(to):
        write_atomically(to / "manifest.json", found.verified.data)
        files = {name: str(_name(path, to / name)) for name, path in paths.items()}
    show(found, {"files": files}, as_json=json_)


def search(
    repos: Sequence[str], root: Path, memory: Path | None, wanted: tuple[str, str, str], progress: TerminalReport
) -> Found:
    """The newest manifest for ``wanted``, a channel, architecture and mode, that one of ``repos`` has.

    Raises:
        PlasmError: none has one that verifies by ``root``, or something given cannot be used.
    """
    sources = [open_source(text) for text in repos]
    trusted = TrustedRepository(_root(root), memory)
    asking = Search(trusted, *wanted, now=datetime.now(UTC), report=progress)
    for source in sources:
        asking.offer(source)
    asking.close()
    return asking.wait()


def this_arch() -> str:
    """The architecture of this machine; the most common one where machines like this boot nothing of ours."""
    machine = platform.machine()
    return machine if machine in ARCHITECTURES else ARCHITECTURES[0]


def show(found: Found, more: dict[str, Any], *, as_json: bool) -> None:
    """Say what was found."""
    manifest = found.verified.manifest
    if as_json:
        artifacts = {name: {"hash": one.hash, "size": one.size} for name, one in manifest.artifacts.items()}
        show_json(
            {
                "channel": manifest.channel,
                "arch": manifest.arch,
                "mode": manifest.mode,
                "version": manifest.version,
                "created_at": manifest.created_at.isoformat(),
                "expires_at": manifest.expires_at.isoformat(),
                "cmdline": manifest.cmdline,
                "artifacts": artifacts,
                "sources": [source.name for source in found.sources],
                **more,
            }
        )
        return
    what = f"{manifest.channel}/{manifest.arch}/{manifest.mode}"
    typer.echo(f"{what} version {manifest.version}, until {manifest.expires_at:%Y-%m-%d %H:%M} UTC")
    for name, one in manifest.artifacts.items():
        typer.echo(f"{name}: {one.hash}, {one.size} bytes")
    typer.echo(printable(f"command line: {manifest.cmdline}"))


def _root(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_ROOT_BYTES)
    except OSError as error:
        raise UnreadableInput(
            f"{path} cannot be read: {error.strerror}", hint="give the root.json of the keys that publish"
        ) from None


def _name(path: Path, name: Path) -> Path:
    """Have what is at ``path`` at ``name`` too, in place of what was there."""
    name.parent.mkdir(parents=True, exist_ok=True)
    temporary = unfinished(name)
    try:
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)
        temporary.replace(name)
    finally:
        # It is still there after a failure, and where both were links to one file: a rename does nothing then.
        temporary.unlink(missing_ok=True)
    return name
