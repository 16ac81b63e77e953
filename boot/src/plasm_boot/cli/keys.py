"""``plasm boot keys``: the keys that sign what machines boot."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from plasm.config import Config
from plasm.model.text import printable
from plasm.ops.console import say, show_json
from plasm_boot.cli.options import AsJson
from plasm_boot.trust import root as roots
from plasm_boot.trust.keys import KeyFolder, former_root, held_key, sign_root
from plasm_boot.trust.root import ROLES, RootMetadata

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

EXAMPLES = """\b
Examples:
  plasm boot keys init keys/                                three root keys, of which two sign; one for each other role
  plasm boot keys init keys/ --root-keys 5 --root-threshold 3 --expires 730
  plasm boot keys show keys/
  plasm boot keys rotate keys/ timestamp                    a new key for timestamps; root keys have to be at hand
  plasm boot keys renew keys/                               the same keys, for another year
  plasm boot keys sign keys/root.json --key /media/root-3   add one of the signatures that are missing

\b
Root keys are needed to change keys, and for nothing else: move keys/root-1, keys/root-2 … to places of their own that
no network reaches.  The others sign every publication and stay with the publisher.
"""

Keys = Annotated[Path, typer.Argument(help="The folder of the keys.", metavar="KEYS/")]
Expires = Annotated[int, typer.Option(help="Days until the root metadata expires.", min=1, max=3650, metavar="DAYS")]
SignerName = Annotated[str | None, typer.Option(help="Signing plugin that makes and holds the keys.", metavar="NAME")]


@app.callback(epilog=EXAMPLES)
def keys() -> None:
    """Make, show and change the keys that sign what machines boot."""


@app.command()
def init(
    ctx: typer.Context,
    keys: Keys,
    root_keys: Annotated[int, typer.Option(help="So many root keys.", min=1, max=32)] = 3,
    root_threshold: Annotated[int, typer.Option(help="So many of them sign.", min=1, max=32)] = 2,
    expires: Expires = 365,
    signer: SignerName = None,
    json_: AsJson = False,
) -> None:
    """Make the keys of all roles, and KEYS/root.json, which images are made with."""
    folder = key_folder(keys)
    root = folder.create(
        root_keys=root_keys, root_threshold=root_threshold, expires=_in_days(expires), plugin=signer or ctx.obj.signer
    )
    say(f"made the keys in {keys}; move its root-* folders to safe places, no publication needs them")
    _show(folder, root, as_json=json_)


@app.command()
def show(keys: Keys, json_: AsJson = False) -> None:
    """Show who may sign what, and until when."""
    folder = key_folder(keys)
    _show(folder, folder.chain()[-1][1], as_json=json_)


@app.command()
def rotate(
    ctx: typer.Context,
    keys: Keys,
    role: Annotated[Literal["root", "targets", "snapshot", "timestamp"], typer.Argument(help="Whose keys to replace.")],
    expires: Expires = 365,
    signer: SignerName = None,
    json_: AsJson = False,
) -> None:
    """Give a role new keys, in a new version of root.  Publish or refresh then, so that machines hear of it."""
    folder = key_folder(keys)
    root = folder.rotate(role, expires=_in_days(expires), plugin=signer or ctx.obj.signer)
    _show(folder, root, as_json=json_)


@app.command()
def renew(keys: Keys, expires: Expires = 365, json_: AsJson = False) -> None:
    """Make a new version of root with the same keys that expires later."""
    folder = key_folder(keys)
    _show(folder, folder.renew(expires=_in_days(expires)), as_json=json_)


@app.command()
def sign(
    root: Annotated[Path, typer.Argument(help="The root metadata; its version before lies beside it.")],
    key: Annotated[Path, typer.Option(help="The folder of a root key.", metavar="FOLDER")],
    json_: AsJson = False,
) -> None:
    """Add the signature of a root key that is kept elsewhere."""
    signed, missing = sign_root(root, held_key(key, _config()))
    if json_:
        show_json({"version": signed.signed.version, "signatures": list(signed.signatures), "missing": missing})
    else:
        say(f"signed version {signed.signed.version} of root; {_completeness(missing, former_root(root, signed))}")


def key_folder(path: Path) -> KeyFolder:
    """The keys in ``path``, under this user's configuration."""
    return KeyFolder(path, _config())


def _completeness(missing: str | None, before: Path) -> str:
    if missing is None:
        return f"whether it lacks signatures by the former root keys only {before.name} beside it can tell"
    return f"it lacks {missing}" if missing else "it is complete"


def _config() -> Config:
    return Config.from_environment(os.environ)


def _in_days(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


def _show(folder: KeyFolder, root: RootMetadata, *, as_json: bool) -> None:
    at_hand = {key.id: str(key.folder) for key in folder.held()}
    chain = [metadata for _, metadata in folder.chain()]
    missing = roots.missing_signatures(roots.signatures(root, chain[-2] if len(chain) > 1 else None))
    roles: dict[str, Any] = {
        name: {
            "threshold": root.signed.roles[name].threshold,
            "keys": [{"id": keyid, "folder": at_hand.get(keyid)} for keyid in root.signed.roles[name].keyids],
        }
        for name in ROLES
    }
    if as_json:
        expires = root.signed.expires.isoformat()
        show_json({"version": root.signed.version, "expires": expires, "missing": missing, "roles": roles})
        return
    typer.echo(f"root version {root.signed.version}, expires {root.signed.expires:%Y-%m-%d}")
    for name, role in roles.items():
        typer.echo(f"{name}: {role['threshold']} of {len(role['keys'])}")
        for key in role["keys"]:
            typer.echo(printable(f"  {key['id'][:16]}  {key['folder'] or 'not at hand'}"))
    if missing:
        say(f"version {root.signed.version} of root lacks {missing}; add them with: plasm boot keys sign")
