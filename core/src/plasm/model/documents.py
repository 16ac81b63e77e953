"""Manifests as documents: plain data in, validated values out, and every mistake named by its path."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import NoneType
from typing import Any, TypeVar, get_args

import attrs
from cattrs import (
    AttributeValidationNote,
    ClassValidationError,
    Converter,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from plasm.errors import InvalidInput, InvalidManifest
from plasm.model.digest import Sha256
from plasm.model.invocation import Invocation, Mount
from plasm.model.limits import Limits
from plasm.model.manifest import Manifest
from plasm.model.quantities import parse_duration, parse_size

MAX_MANIFEST_BYTES = 4 * 2**20

_QUANTITIES: Mapping[str, Callable[[str], int]] = {"size": parse_size, "duration": parse_duration}
_TYPE_NAMES = {str: "text", int: "a whole number", bool: "true or false"}

_T = TypeVar("_T")


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
    if not isinstance(document, dict):
        raise InvalidManifest("it must be a table of fields")
    try:
        return _converter.structure({"module": module, **document}, Manifest)
    except (ClassValidationError, IterableValidationError) as error:
        path, cause = _first_cause(error)
        raise _explained(path, cause) from None


def _first_cause(error: BaseException, path: str = "") -> tuple[str, BaseException]:
    """The first mistake in a tree of them, and the path of the field that it is in."""
    if not isinstance(error, ClassValidationError | IterableValidationError):
        return path, error
    cause = error.exceptions[0]
    for note in getattr(cause, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            path = f"{path}.{note.name}" if path else note.name
        elif isinstance(note, IterableValidationNote):
            path = f"{path}[{note.index}]" if isinstance(note.index, int) else f"{path}.{note.index}"
    return _first_cause(cause, path)


def _explained(path: str, cause: BaseException) -> InvalidManifest:
    prefix = f"{path}: " if path else ""
    if isinstance(cause, ForbiddenExtraKeysError):
        unknown = min(cause.extra_fields)
        known = [attribute.name for attribute in attrs.fields(cause.cl)]
        near = get_close_matches(unknown, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known)
        return InvalidManifest(f"{prefix}there is no field {unknown!r}", hint=hint)
    if isinstance(cause, KeyError):
        return InvalidManifest(f"{prefix}the field {cause.args[0]!r} is missing")
    if isinstance(cause, InvalidInput):
        return InvalidManifest(f"{prefix}{cause.message}", hint=cause.hint)
    return InvalidManifest(f"{prefix}{cause}")


def _strictly(kind: type[_T]) -> Callable[[Any, Any], _T]:
    def structure(value: Any, _: Any) -> _T:
        if type(value) is not kind:
            raise ValueError(f"must be {_TYPE_NAMES[kind]}, not {value!r}")
        return value

    return structure


def _quantity(parse: Callable[[str], int]) -> Callable[[Any, Any], int | None]:
    def structure(value: Any, kind: Any) -> int | None:
        if value is None and NoneType in get_args(kind):
            return None
        return parse(value) if isinstance(value, str) else _strictly(int)(value, kind)

    return structure


def _from_table(structure: Callable[[Any, Any], _T]) -> Callable[[Any, Any], _T]:
    def structure_table(value: Any, kind: Any) -> _T:
        if not isinstance(value, dict):
            raise ValueError(f"must be a table, not {value!r}")
        return structure(value, kind)

    return structure_table


def _list(value: Any, kind: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"must be a list, not {value!r}")
    return tuple(_converter.structure(value, list[kind.__args__[0]]))


def _make_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _strictly(kind))
    converter.register_structure_hook_func(lambda kind: kind is Sha256, _strictly(str))
    return converter


_texts = _make_converter()
_converter = _make_converter()
_converter.register_structure_hook_func(lambda kind: getattr(kind, "__origin__", None) is tuple, _list)
_converter.register_structure_hook_func(
    lambda kind: getattr(kind, "__origin__", None) is Mapping,
    _from_table(lambda value, _: _texts.structure(value, dict[str, str])),
)
for _class in (Mount, Limits, Invocation, Manifest):
    attrs.resolve_types(_class)
    _overrides: Any = {
        attribute.name: override(struct_hook=_quantity(_QUANTITIES[attribute.metadata["quantity"]]))
        for attribute in attrs.fields(_class)
        if "quantity" in attribute.metadata
    }
    _fields = make_dict_structure_fn(_class, _converter, _cattrs_forbid_extra_keys=True, **_overrides)
    _converter.register_structure_hook(_class, _from_table(_fields))
