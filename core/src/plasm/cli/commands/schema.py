"""``plasm schema``: JSON Schemas of the documents that people and programs exchange."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import typer

from plasm.ops.console import show_json

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES: Final = """\b
Examples:
  plasm schema manifest > manifest.schema.json
  plasm schema receipt | jq .properties
"""


@app.command(epilog=_EXAMPLES)
def schema(
    document: Annotated[Literal["manifest", "receipt", "config"], typer.Argument(help="Which document.")],
) -> None:
    """Print the JSON Schema of a job manifest, of the statement inside a receipt, or of a configuration file."""
    if document == "manifest":
        from plasm.model.schema import manifest_schema

        show_json(manifest_schema())
    elif document == "config":
        from plasm.config.reference import schema as config_schema

        show_json(config_schema())
    else:
        from plasm.receipts.schema import receipt_schema

        show_json(receipt_schema())
