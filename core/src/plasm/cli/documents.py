"""Manifest files: TOML or JSON by their ending."""

from __future__ import annotations

from pathlib import Path

from plasm.errors import UnreadableInput
from plasm.model import Manifest, Sha256
from plasm.model.documents import MAX_MANIFEST_BYTES, manifest_from_json, manifest_from_toml


def load_manifest(path: Path, module: Sha256) -> Manifest:
    """The manifest in the file at ``path``; ``module`` stands in where it names none.

    Raises:
        UnreadableInput: no such file, a folder, or no permission.
        InvalidManifest: it is not one; the message has the path.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}", hint="give --manifest a file") from None
    parse = manifest_from_json if path.suffix == ".json" else manifest_from_toml
    return parse(data, module, source=str(path))
