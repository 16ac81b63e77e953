"""``plasm boot refresh``: vouch anew for what is published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer

from plasm.ops.console import say
from plasm_boot.cli.keys import key_folder
from plasm_boot.cli.options import AsJson, Fresh, Keys, Repo
from plasm_boot.cli.publish import tell
from plasm_boot.trust.publishing import refresh as refresh_repository
from plasm_boot.trust.repository import FRESHNESS

app = typer.Typer(rich_markup_mode=None, add_completion=False)

EXAMPLES = """\b
Examples:
  plasm boot refresh --repo repo/ --keys keys/       from a timer, every day

\b
A timestamp is good for two weeks unless --fresh says otherwise: a machine that is shown none newer refuses to boot
what may be old.
"""


@app.command(epilog=EXAMPLES)
def refresh(repo: Repo, keys: Keys, fresh: Fresh = FRESHNESS.days, json_: AsJson = False) -> None:
    """Sign a new timestamp, and anew whatever else would end before it."""
    refreshed = refresh_repository(repo, key_folder(keys), now=datetime.now(UTC), freshness=timedelta(days=fresh))
    say("refreshed")
    tell(refreshed, as_json=json_)
