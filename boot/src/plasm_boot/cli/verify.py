"""``plasm boot verify``: whether a machine would boot what a repository has."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from plasm_boot.cli.fetch import search, show, this_arch
from plasm_boot.cli.options import AsJson, Channel, MemoryFolder, Mode, Repos, Root, ThisArch
from plasm_boot.cli.progress import TerminalReport
from plasm_boot.fetching.downloads import download
from plasm_boot.fetching.store import ArtifactStore

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm boot verify --repo repo/ --root keys/root.json
  plasm boot verify --repo http://192.0.2.7:8380/ --root keys/root.json --mode internet --manifest-only

\b
Exit status: 0 if a machine with that root metadata would boot it, 125 otherwise.
"""


@app.command(epilog=EXAMPLES)
def verify(
    repo: Repos,
    root: Root,
    channel: Channel = "stable",
    arch: ThisArch = None,
    mode: Mode = "local",
    memory: MemoryFolder = None,
    manifest_only: Annotated[
        bool, typer.Option("--manifest-only", help="Do not read kernel, initramfs and root file system.")
    ] = False,
    json_: AsJson = False,
) -> None:
    """Verify the newest system of a repository as a booting machine does, down to the last byte."""
    with TerminalReport() as progress:
        found = search(repo, root, memory, (channel, arch or this_arch(), mode), progress)
        if not manifest_only:
            with tempfile.TemporaryDirectory(prefix="plasm-boot-") as folder:
                download(found, ArtifactStore(Path(folder)), report=progress)
    show(found, {"artifacts_verified": not manifest_only}, as_json=json_)
