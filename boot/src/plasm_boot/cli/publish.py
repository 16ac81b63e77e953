"""``plasm boot publish``: put what was built where machines find it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from plasm.ops.console import say, show_json
from plasm_boot.cli.keys import key_folder
from plasm_boot.cli.options import AsJson, ChannelName, Fresh, Keys, Repo
from plasm_boot.manifest import BootManifest
from plasm_boot.trust.publishing import LIFETIME, Publication
from plasm_boot.trust.publishing import publish as publish_build
from plasm_boot.trust.repository import FRESHNESS

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm boot publish build/ --repo repo/ --keys keys/ --channel stable
  plasm boot publish build/ --repo repo/ --keys keys/ --channel nightly --expires 14
  plasm boot publish build/ --repo repo/ --keys keys/ --channel stable --expires 365 --fresh 365    for private images

\b
Readers of the repository see the former state or the new one, whole.  Refresh it at least every two weeks.
"""

_SOON = timedelta(days=30)


@app.command(epilog=EXAMPLES)
def publish(
    build: Annotated[Path, typer.Argument(help="What plasm boot build made.", metavar="BUILD/")],
    repo: Repo,
    keys: Keys,
    channel: Annotated[ChannelName, typer.Option(help="The channel to publish in.")],
    expires: Annotated[
        int, typer.Option(help="Days for which it may be booted.", min=1, max=3650, metavar="DAYS")
    ] = LIFETIME.days,
    fresh: Fresh = FRESHNESS.days,
    json_: AsJson = False,
) -> None:
    """Sign every system in BUILD/ and publish it; the repository is made where it is missing."""
    published = publish_build(
        build,
        repo,
        key_folder(keys),
        channel,
        now=datetime.now(UTC),
        lifetime=timedelta(days=expires),
        freshness=timedelta(days=fresh),
    )
    tell(published, as_json=json_)


def tell(published: Publication, *, as_json: bool) -> None:
    """Say what readers see now."""
    if as_json:
        show_json(
            {
                "published": [_document(each) for each in published.manifests],
                "root": published.root.version,
                "ending_early": {what: end.isoformat() for what, end in published.ending_early.items()},
            }
        )
    else:
        for each in published.manifests:
            typer.echo(
                f"{each.channel}/{each.arch}/{each.mode} version {each.version}, until {each.expires_at:%Y-%m-%d}"
            )
    for what, end in published.ending_early.items():
        say(
            f"{what} ends on {end:%Y-%m-%d}, before the timestamp does: publish or renew it for longer, with its key "
            "at hand"
        )
    if published.awaited:
        say(f"signed under version {published.root.version} of root: the next one lacks {published.awaited}")
    if published.root.is_expired(datetime.now(UTC) + _SOON):
        say(f"root expires on {published.root.expires:%Y-%m-%d}; renew it with: plasm boot keys renew")


def _document(manifest: BootManifest) -> dict[str, object]:
    return {
        "channel": manifest.channel,
        "arch": manifest.arch,
        "mode": manifest.mode,
        "version": manifest.version,
        "expires_at": manifest.expires_at.isoformat(),
    }
