"""The arguments and options that several commands of ``plasm boot`` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

ChannelName = Literal["stable", "testing", "nightly"]
ArchName = Literal["x86_64", "aarch64"]

DEFAULT_STATE: Final = "1GiB"

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Keys = Annotated[Path, typer.Option(help="The folder of the keys.", metavar="KEYS/")]
Repo = Annotated[Path, typer.Option(help="The folder of the repository.", metavar="REPO/")]
Repos = Annotated[list[str], typer.Option(help="A provider or a folder; may be repeated.", metavar="URL|FOLDER")]
Root = Annotated[Path, typer.Option(help="The root metadata that machines trust.", metavar="ROOT.JSON")]
Channel = Annotated[ChannelName, typer.Option(help="The channel.")]
ThisArch = Annotated[ArchName | None, typer.Option(help="The architecture; this machine's if not said.")]
Mode = Annotated[str, typer.Option(help="The boot mode.", metavar="NAME")]
Modes = Annotated[
    list[str] | None, typer.Option("--mode", help="Boot mode; may be repeated.  All, if not said.", metavar="NAME")
]
Providers = Annotated[
    list[str] | None,
    typer.Option("--provider", help="A provider to ask besides those that are found; may be repeated.", metavar="URL"),
]
Bootstrap = Annotated[
    list[str] | None,
    typer.Option(help="A peer to begin with in the DHT; may be repeated.", metavar="ADDR/p2p/PEER_ID"),
]
StateSize = Annotated[
    str, typer.Option("--state", help="Size of the partition that keeps state; 0 for none.", metavar="SIZE")
]
MemoryFolder = Annotated[
    Path | None, typer.Option(help="A folder that keeps what was verified, against older systems.", metavar="DIR")
]
Fresh = Annotated[
    int,
    typer.Option(
        help="Days until it has to be refreshed; long for what boots from its own medium.",
        min=1,
        max=3650,
        metavar="DAYS",
    ),
]
