"""All of the configuration at once, for commands that need all of it: what is wrong, and where each value comes from.

Files, then variables, then options: each layer is checked by itself, so that a mistake is told where it was made even
when a later layer hides it, and then lies over the one before, key by key.  A list replaces a list.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

import attrs
from attrs import frozen

from plasm.config import sources
from plasm.config.node_config import NodeConfig, leaves
from plasm.errors import InvalidConfig, InvalidDocument
from plasm.model import toml
from plasm.model.mistakes import Mistake, Mistakes
from plasm.model.structuring import Structurer

DEFAULT: Final = "default"

_WHOLE: Final = re.compile(r"-?[0-9]{1,20}")
_structured: Final = Structurer(NodeConfig, field="key")


@frozen
class EffectiveConfig:
    """The configuration in force.  ``origins`` has, for each key as in ``node.workers``, the file and line, the
    variable or the option that set it, or :data:`DEFAULT`."""

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


def read(environ: Mapping[str, str], flags: Mapping[str, tuple[str, Any]] | None = None) -> EffectiveConfig:
    """The configuration that files, ``environ`` and ``flags`` make together; a flag is its option and its value.

    Raises:
        InvalidConfig: a file that is not one, a variable that cannot be meant.
        InvalidDocument: a flag that cannot be meant.
        UnreadableInput: a file that is there and cannot be read.
    """
    layers = [_file_layer(path, text) for path, text in sources.files(environ)]
    layers.append(_checked_layer(_variables(environ), InvalidConfig))
    layers.append(_checked_layer(flags or {}, InvalidDocument))
    values: dict[str, Any] = {}
    origins = {key: DEFAULT for key, _ in leaves()}
    for layer in layers:
        values |= layer.values
        origins |= layer.origins
    return EffectiveConfig(_structured(_nested(values)), origins)


def check_file(path: Path) -> None:
    """Read the file at ``path`` as a configuration.

    Raises:
        InvalidConfig, UnreadableInput: as :func:`read`.
    """
    parse(path, sources.read_file(path))


def parse(path: Path, text: str) -> toml.Document:
    """The document in ``text``, which stands in the file at ``path`` and is found to be right.

    Raises:
        InvalidConfig: it is not; every mistake has line and column.
    """
    try:
        document = toml.load(text)
        document.read_as(_structured)
    except Mistakes as mistakes:
        raise InvalidConfig.of(mistakes.in_source(str(path))) from None
    return document


def _file_layer(path: Path, text: str) -> _Layer:
    document = parse(path, text)
    values, origins = {}, {}
    for key, _ in leaves():
        names = tuple(key.split("."))
        value: Any = document.data
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            values[key] = value
            origins[key] = f"{path}:{document.places[names].line}"
    return _Layer(values, origins)


def _variables(environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    given = {}
    for key, attribute in leaves():
        name = sources.variable(key)
        if text := environ.get(name):
            given[key] = name, _meant(attribute, text)
    return given


def _meant(attribute: attrs.Attribute[Any], text: str) -> Any:
    """What a file would say instead of a variable's ``text``."""
    kinds = {attribute.type, *get_args(attribute.type)}
    if attribute.type == tuple[str, ...]:
        return sources.split(text)
    if int in kinds and _WHOLE.fullmatch(text):
        return int(text)
    return text


def _checked_layer(given: Mapping[str, tuple[str, Any]], error: type[InvalidDocument]) -> _Layer:
    values = {key: value for key, (_, value) in given.items()}
    names = {key: name for key, (name, _) in given.items()}
    try:
        _structured(_nested(values))
    except Mistakes as mistakes:
        raise error.of(Mistakes([_renamed(each, names) for each in mistakes.first], mistakes.others)) from None
    return _Layer(values, names)


def _renamed(mistake: Mistake, names: Mapping[str, str]) -> Mistake:
    """``mistake`` by the name of the variable or the option instead of the key's."""
    message = mistake.message.removeprefix(f"{mistake.key}: ")
    key = ".".join(part for part in mistake.path if isinstance(part, str))
    return mistake._replace(message=message, source=names[key])


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
