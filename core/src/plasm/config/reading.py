"""All of the configuration at once, for who needs all of it, with care for what is wrong and where things come from.

Files, then variables, then flags: each layer is checked by itself, so that a mistake is told where it was made even
when a later layer hides it, and then lies over the one before, key by key.  A list replaces a list.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import attrs
from attrs import frozen

from plasm.config import sources
from plasm.config.document import LogTable, MetricsTable, NodeConfig, NodeTable, PolicyTable, StoreTable
from plasm.config.positions import positions
from plasm.errors import InvalidConfig, InvalidInput
from plasm.model.structuring import Mistake, Structurer, shown

DEFAULT: Final = "default"

_structured = Structurer(NodeTable, PolicyTable, StoreTable, MetricsTable, LogTable, NodeConfig, field="key")
_WHOLE: Final = re.compile(r"[0-9]{1,20}")
_WHERE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@frozen
class Reading:
    """The configuration in force.  ``origins`` has, for each key as in ``node.workers``, the file and line, the
    variable or the flag that set it, or :data:`DEFAULT`."""

    config: NodeConfig
    origins: Mapping[str, str]

    def values(self) -> dict[str, Any]:
        """Every key with its value."""
        return {key: _get(self.config, key) for key, _ in leaves()}

    def variables(self) -> dict[str, str]:
        """The variables that say what this says outside of tables, and that no file is to be read: for processes that
        start later and must find the same."""
        everyday = {key: value for key, value in self.values().items() if "." not in key}
        texts = {key: ",".join(value) if isinstance(value, tuple) else value for key, value in everyday.items()}
        return {"PLASM_CONFIG": os.devnull, **{sources.variable(key): text or "" for key, text in texts.items()}}


@frozen
class _Layer:
    values: Mapping[str, Any]
    origins: Mapping[str, str]


def leaves(cls: type[attrs.AttrsInstance] = NodeConfig, prefix: str = "") -> Iterator[tuple[str, attrs.Attribute[Any]]]:
    """Every key that can be set, as in ``node.workers``, with what is said of it."""
    for attribute in attrs.fields(cls):
        if isinstance(attribute.type, type) and attrs.has(attribute.type):
            yield from leaves(attribute.type, f"{prefix}{attribute.name}.")
        else:
            yield prefix + attribute.name, attribute


def read(environ: Mapping[str, str], flags: Mapping[str, tuple[str, Any]] | None = None) -> Reading:
    """The configuration that files, ``environ`` and ``flags`` make together; a flag is its option and its value.

    Raises:
        InvalidConfig: a file that is not one, a variable that cannot be meant.
        InvalidInput: a flag that cannot be meant.
        UnreadableInput: a file that is there and cannot be read.
    """
    layers = [_file_layer(path, text) for path, text in sources.files(environ)]
    layers.append(_variables(environ))
    layers.append(_checked_layer(flags or {}, InvalidInput))
    values: dict[str, Any] = {}
    origins = {key: DEFAULT for key, _ in leaves()}
    for layer in layers:
        values |= layer.values
        origins |= layer.origins
    return Reading(_structured(_nested(values), NodeConfig), origins)


def check_file(path: Path) -> None:
    """Read the file at ``path`` as a configuration.

    Raises:
        InvalidConfig, UnreadableInput: as :func:`read`.
    """
    checked(path, sources.read_file(path))


def checked(path: Path, text: str) -> dict[str, Any]:
    """The document in ``text``, which stands in the file at ``path`` and is found to be right.

    Raises:
        InvalidConfig: it is not; the message has line and column.
    """
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise InvalidConfig(f"{path}: it is nested too deeply") from None
    except ValueError as error:
        raise _not_toml(path, text, str(error)) from None
    try:
        _structured(document, NodeConfig)
    except Mistake as mistake:
        where = positions(text)
        known = [mistake.path[:end] for end in range(len(mistake.path), 0, -1)]
        line, column = next((where[each] for each in known if each in where), (1, 1))
        raise InvalidConfig(f"{path}:{line}:{column}: {mistake.message}", hint=_hint(mistake)) from None
    return document


def _not_toml(path: Path, text: str, message: str) -> InvalidConfig:
    where = _WHERE.search(message)
    line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    if where is not None:
        message = message[: where.start()]
        if where[1]:
            line, column = int(where[1]), int(where[2])
    return InvalidConfig(f"{path}:{line}:{column}: not TOML: {message[:1].lower()}{message[1:]}")


def _hint(mistake: Mistake) -> str:
    """The hint of ``mistake``; a known key in the wrong table is told where it belongs."""
    if mistake.unknown is not None and not mistake.hint.startswith("did you mean"):
        for key, _ in leaves():
            table, _, name = key.rpartition(".")
            if name == mistake.unknown:
                return f"it belongs below [{table}]" if table else "it belongs above the first table"
    return mistake.hint


def _file_layer(path: Path, text: str) -> _Layer:
    document, where = checked(path, text), positions(text)
    values, origins = {}, {}
    for key, _ in leaves():
        value: Any = document
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            values[key] = value
            origins[key] = f"{path}:{where[tuple(key.split('.'))][0]}"
    return _Layer(values, origins)


def _variables(environ: Mapping[str, str]) -> _Layer:
    given = {}
    for key, attribute in leaves():
        name = sources.variable(key)
        if text := environ.get(name):
            given[key] = name, _meant(attribute, text)
    return _checked_layer(given, InvalidConfig)


def _meant(attribute: attrs.Attribute[Any], text: str) -> Any:
    """What a file would say instead of a variable's ``text``."""
    kinds = {attribute.type, *get_args(attribute.type)}
    if attribute.type == tuple[str, ...]:
        return sources.split(text)
    if int in kinds and _WHOLE.fullmatch(text):
        return int(text)
    return text


def _checked_layer(given: Mapping[str, tuple[str, Any]], kind: type[InvalidInput]) -> _Layer:
    values, origins = {}, {}
    for key, (name, value) in given.items():
        try:
            _structured(_nested({key: value}), NodeConfig)
        except Mistake as mistake:
            message = mistake.message.removeprefix(f"{shown(tuple(key.split('.')))}: ")
            raise kind(f"{name}: {message}", hint=mistake.hint) from None
        values[key], origins[key] = value, name
    return _Layer(values, origins)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        (document.setdefault(table, {}) if table else document)[name] = value
    return document


def _get(value: Any, key: str) -> Any:
    for name in key.split("."):
        value = getattr(value, name)
    return value
