"""Manifests as documents: plain data in, validated values out, and every mistake named by its path."""

from __future__ import annotations

import json
from typing import Final

from plasm.errors import InvalidManifest
from plasm.model import strict_json, toml
from plasm.model.digest import Sha256
from plasm.model.manifest import Manifest
from plasm.model.mistakes import Mistake, Mistakes, Position
from plasm.model.structuring import Structurer

MAX_MANIFEST_BYTES: Final = 4 * 2**20

_structured: Final = Structurer(Manifest)


def manifest_from_toml(data: bytes, module: Sha256, source: str = "") -> Manifest:
    """The manifest written as TOML in ``data``.

    Args:
        data: at most :data:`MAX_MANIFEST_BYTES` of UTF-8.
        module: stands in where the manifest names none.
        source: where it was found, for the messages of errors.

    Raises:
        InvalidManifest: not TOML, a field that is unknown or ill-typed, a value that the model does not allow.
    """
    try:
        return toml.load(_text(data)).read_as(lambda document: _structured({"module": module, **document}))
    except Mistakes as mistakes:
        raise InvalidManifest.of(mistakes.in_source(source)) from None


def manifest_from_json(data: bytes, module: Sha256, source: str = "") -> Manifest:
    """The same for JSON."""
    try:
        document = _json(data)
        return _structured({"module": module, **document} if isinstance(document, dict) else document)
    except Mistakes as mistakes:
        raise InvalidManifest.of(mistakes.in_source(source)) from None


def _text(data: bytes) -> str:
    if len(data) > MAX_MANIFEST_BYTES:
        raise Mistakes([Mistake(f"it is longer than {MAX_MANIFEST_BYTES} bytes")])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        position = Position(data.count(b"\n", 0, error.start) + 1, 1)
        raise Mistakes([Mistake("it is not UTF-8", "save it as UTF-8", position=position)]) from None


def _json(data: bytes) -> object:
    try:
        return strict_json.loads(_text(data))
    except json.JSONDecodeError as error:
        position = Position(error.lineno, error.colno)
        message = f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise Mistakes([Mistake(message, position=position)]) from None
    except ValueError as error:
        raise Mistakes([Mistake(f"not JSON: {error}")]) from None
