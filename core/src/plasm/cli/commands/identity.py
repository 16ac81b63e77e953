"""``plasm identity``: the key under which this machine signs."""

from __future__ import annotations

import base64
from typing import Annotated, Final, Literal

import typer

from plasm.contracts import Signer
from plasm.control.lock import node_runs
from plasm.model import PeerId
from plasm.ops.console import say, show_json

app = typer.Typer(rich_markup_mode=None, add_completion=False)

# RFC 8410: the DER of an Ed25519 SubjectPublicKeyInfo is this prefix and the 32 bytes of the key.
_SPKI_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")

_EXAMPLES: Final = """\b
Examples:
  plasm identity                         the peer id of this machine
  plasm identity new                     make the first key
  plasm identity export --format pem     the public key, for others
"""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.callback(invoke_without_command=True, epilog=_EXAMPLES)
def identity(ctx: typer.Context, json_: JsonOption = False) -> None:
    """Show, make or export this machine's identity: the key that signs its receipts."""
    if ctx.invoked_subcommand is None:
        show(ctx, json_)


@app.command()
def show(ctx: typer.Context, json_: JsonOption = False) -> None:
    """Show the peer id under which this machine signs."""
    _show(ctx.obj.host.signer(ctx.obj.signer), as_json=json_)


@app.command()
def new(
    ctx: typer.Context,
    replace: Annotated[bool, typer.Option(help="Put the present key aside and make another.")] = False,
    json_: JsonOption = False,
) -> None:
    """Make a key.  One that is there already is never lost: --replace keeps it under another name."""
    host = ctx.obj.host
    signer = host.create_identity(ctx.obj.signer, replace=replace)
    say("made a new identity")
    if node_runs(host.config.state_dir):
        say("the node that is running goes on with the key that it started with; restart it to use this one")
    _show(signer, as_json=json_)


@app.command()
def export(
    ctx: typer.Context,
    form: Annotated[
        Literal["pem", "hex", "peer-id"], typer.Option("--format", help="How to write the public key.")
    ] = "pem",
) -> None:
    """Print the public key, for those who verify."""
    key = ctx.obj.host.signer(ctx.obj.signer).public_key
    if form == "pem":
        body = base64.b64encode(_SPKI_PREFIX + key).decode()
        typer.echo(f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----")
    else:
        typer.echo(key.hex() if form == "hex" else str(PeerId(key)))


def _show(signer: Signer, *, as_json: bool) -> None:
    peer_id = PeerId(signer.public_key)
    if as_json:
        show_json({"peer_id": str(peer_id), "public_key": signer.public_key.hex()})
    else:
        typer.echo(str(peer_id))
