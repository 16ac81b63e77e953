"""JSON Schemas (draft 2020-12) from the model: types, bounds and the documentation of each field."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import attrs

from plasm.model.digest import Sha256
from plasm.model.manifest import Manifest
from plasm.model.quantities import AGE_UNITS, DURATION_UNITS, SIZE_UNITS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_PLAIN: Final = {str: "string", int: "integer", bool: "boolean", NoneType: "null"}
_UNITS: Final = {"size": SIZE_UNITS, "duration": DURATION_UNITS, "age": AGE_UNITS}


def manifest_schema() -> dict[str, Any]:
    """The schema of a job manifest as people write it: quantities may have units, every field may be left out."""
    return {
        "$schema": DIALECT,
        "$id": "https://plasm.dev/schema/manifest/v1",
        "title": "Plasm job manifest",
        **schema_of(Manifest),
    }


def schema_of(cls: type[attrs.AttrsInstance]) -> dict[str, Any]:
    """The schema of a value of the model, which lets no unknown field pass."""
    hints = get_type_hints(cls)
    return {
        "type": "object",
        "description": (cls.__doc__ or "").split("\n\n")[0].strip(),
        "properties": {field.name: _property(field, hints[field.name]) for field in attrs.fields(cls)},
        "additionalProperties": False,
    }


def _property(field: attrs.Attribute[Any], kind: Any) -> dict[str, Any]:
    schema = _type(kind)
    if quantity := field.metadata.get("quantity"):
        units = "|".join(unit for unit in _UNITS[quantity] if unit)
        optional = "?" if "" in _UNITS[quantity] else ""
        schema = {
            "anyOf": [
                _bounded(schema, field),
                {"type": "string", "pattern": rf"^\s*[0-9]+(\.[0-9]+)?\s*({units}){optional}\s*$"},
            ]
        }
    else:
        schema = _bounded(schema, field)
    if doc := field.metadata.get("doc"):
        schema["description"] = doc
    if field.default is None or isinstance(field.default, int | str):
        schema["default"] = field.default
    return schema


def _bounded(schema: dict[str, Any], field: attrs.Attribute[Any]) -> dict[str, Any]:
    """``schema`` with the bounds that the field has as a number; a bound says nothing of what is no number."""
    return {**schema, **{name: field.metadata[name] for name in ("minimum", "maximum") if name in field.metadata}}


def _type(kind: Any) -> dict[str, Any]:
    if kind is Sha256:
        return {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [member.value for member in kind]}
    if isinstance(kind, type) and attrs.has(kind):
        return schema_of(kind)
    if isinstance(kind, UnionType):
        return {"anyOf": [_type(part) for part in get_args(kind)]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _type(get_args(kind)[0])}
    if get_origin(kind) is Mapping:
        return {"type": "object", "additionalProperties": _type(get_args(kind)[1])}
    raise TypeError(f"no schema for {kind}")
