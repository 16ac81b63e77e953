"""``plasm verify``: what a receipt claims, and whether it speaks of these files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Final

import typer

from plasm.cli.report import describe, document
from plasm.errors import ExitStatus, InvalidReceipt, UnreadableInput, VerificationFailed
from plasm.model import PeerId, Sha256
from plasm.model.text import printable
from plasm.ops.console import say, show_json
from plasm.receipts import MAX_RECEIPT_BYTES, Expectation, check, read

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm verify job.receipt.json
  plasm verify job.receipt.json --module job.wasm --stdout out.txt --signer 12D3KooW…

\b
Exit status: 0 if the receipt holds and everything given matches, 125 otherwise.
"""


@app.command(epilog=_EXAMPLES)
def verify(
    receipt: Annotated[Path, typer.Argument(help="The receipt, of any version.")],
    module: Annotated[Path | None, typer.Option(help="The module that must have run.")] = None,
    stdin: Annotated[Path | None, typer.Option(help="What must have been the job's input.")] = None,
    stdout: Annotated[Path | None, typer.Option(help="What must have been its output.")] = None,
    stderr: Annotated[Path | None, typer.Option(help="What must have been its messages.")] = None,
    signer: Annotated[str | None, typer.Option(help="The node that must have signed.", metavar="PEER_ID")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Verify a receipt, say what it claims, and compare it with what you have."""
    try:
        claims = read(_contents(receipt))
    except (InvalidReceipt, VerificationFailed) as error:
        error.message = f"{receipt}: {error.message}"
        raise
    files = {"stdout": stdout, "stderr": stderr}
    expected = Expectation(
        signer=None if signer is None else PeerId.parse(signer),
        module=None if module is None else _digest(module),
        stdin=None if stdin is None else _digest(stdin),
        subjects={name: _digest(path) for name, path in files.items() if path is not None},
    )
    checks = check(claims, expected)
    holds = all(result.matches for result in checks)
    if json_:
        found = [
            {"name": one.name, "matches": one.matches, "claimed": one.claimed, "found": one.found} for one in checks
        ]
        show_json({"holds": True, "matches": holds, "claims": document(claims), "checks": found})
    else:
        for line in describe(claims):
            typer.echo(printable(line))
        for result in checks:
            typer.echo(printable(str(result)))
        if signer is None:
            say("the signature holds, but no --signer was given to compare the signer with")
        if not holds:
            say("error[verification-failed]: the receipt speaks of something else than what was given")
    return ExitStatus.OK if holds else ExitStatus.FAILED


def _contents(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_RECEIPT_BYTES + 1)
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}", hint="give a receipt file") from None


def _digest(path: Path) -> Sha256:
    try:
        with path.open("rb") as file:
            return Sha256(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}", hint="give a file") from None
