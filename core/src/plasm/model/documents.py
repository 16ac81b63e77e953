"""Manifests as documents: plain data in, validated values out, and every mistake named by its path."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import Any

from plasm.errors import InvalidManifest
from plasm.model.digest import Sha256
from plasm.model.invocation import Invocation, Mount
from plasm.model.limits import Limits
from plasm.model.manifest import Manifest
from plasm.model.structuring import Mistake, Structurer

MAX_MANIFEST_BYTES = 4 * 2**20

_structured = Structurer(Mount, Limits, Invocation, Manifest)


def manifest_from_toml(data: bytes, module: Sha256) -> Manifest:
    """The manifest written as TOML in ``data``; ``module`` stands in where it names none.

    Raises:
        InvalidManifest: not TOML, a field that is unknown or ill-typed, a value that the model does not allow.
    """
    return _parse(data, module, tomllib.loads)


def manifest_from_json(data: bytes, module: Sha256) -> Manifest:
    """The same for JSON."""
    return _parse(data, module, json.loads)


def _parse(data: bytes, module: Sha256, loads: Callable[[str], Any]) -> Manifest:
    if len(data) > MAX_MANIFEST_BYTES:
        raise InvalidManifest(f"it is longer than {MAX_MANIFEST_BYTES} bytes")
    try:
        document = loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidManifest(str(error)) from None
    if isinstance(document, dict):
        document = {"module": module, **document}
    try:
        return _structured(document, Manifest)
    except Mistake as mistake:
        raise InvalidManifest(mistake.message, hint=mistake.hint) from None
