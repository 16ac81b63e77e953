"""Documents that people write: plain data in, values of the model out, and the first mistake named by its path.

What a field takes is said once, by the value's class: its type, the ``quantity`` in its metadata, its validator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import StrEnum
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

from plasm.errors import InvalidInput
from plasm.model.digest import Sha256
from plasm.model.quantities import parse_age, parse_duration, parse_size

Path = tuple[str | int, ...]

_QUANTITIES: Mapping[str, Callable[[str], int]] = {"size": parse_size, "duration": parse_duration, "age": parse_age}
_TYPE_NAMES = {str: "text", int: "a whole number", bool: "true or false"}

_T = TypeVar("_T")


class Mistake(Exception):
    """What is wrong with a document: ``path`` leads to it, and ``unknown`` is the field there that should not be."""

    def __init__(self, message: str, *, path: Path = (), hint: str = "", unknown: str | None = None) -> None:
        super().__init__(message)
        self.message = f"{shown(path)}: {message}" if path else message
        self.path = path if unknown is None else (*path, unknown)
        self.hint = hint
        self.unknown = unknown


def shown(path: Path) -> str:
    """``path`` as people write it: ``invocation.mounts[0].guest``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


class Structurer:
    """Makes values of ``classes``, which stand in such an order that each comes after those that it is made of.

    ``field`` is what the document's readers call a field.
    """

    def __init__(self, *classes: type[attrs.AttrsInstance], field: str = "field") -> None:
        self._field = field
        self._texts = _converter()
        self._converter = _converter()
        self._converter.register_structure_hook_func(
            lambda kind: getattr(kind, "__origin__", None) is tuple, self._list
        )
        self._converter.register_structure_hook_func(
            lambda kind: getattr(kind, "__origin__", None) is Mapping,
            _from_table(lambda value, _: self._texts.structure(value, dict[str, str])),
        )
        for cls in classes:
            self._converter.register_structure_hook(cls, _from_table(self._structuring(cls)))

    def __call__(self, document: Any, cls: type[_T]) -> _T:
        """The value of ``cls`` that ``document`` says.

        Raises:
            Mistake: a field that is unknown or ill-typed, a value that the model does not allow.
        """
        if not isinstance(document, dict):
            raise Mistake(f"it must be a table of {self._field}s")
        try:
            return self._converter.structure(document, cls)
        except (ClassValidationError, IterableValidationError) as error:
            raise self._explained(*_first_cause(error)) from None

    def _structuring(self, cls: type[attrs.AttrsInstance]) -> Callable[[Any, Any], Any]:
        attrs.resolve_types(cls)
        hooks: Any = {}
        for attribute in attrs.fields(cls):
            quantity = attribute.metadata.get("quantity")
            hook = self._converter.structure if quantity is None else _quantity(_QUANTITIES[quantity])
            if isinstance(attribute.type, type) and issubclass(attribute.type, StrEnum):
                self._converter.register_structure_hook(attribute.type, _choice)
            if attribute.validator is not None:
                hook = _valid(hook, attribute)
            if quantity is not None or attribute.validator is not None:
                hooks[attribute.name] = override(struct_hook=hook)
        return make_dict_structure_fn(cls, self._converter, _cattrs_forbid_extra_keys=True, **hooks)

    def _list(self, value: Any, kind: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"must be a list, not {value!r}")
        return tuple(self._converter.structure(value, list[kind.__args__[0]]))

    def _explained(self, path: Path, cause: BaseException) -> Mistake:
        if isinstance(cause, ForbiddenExtraKeysError):
            unknown = min(cause.extra_fields)
            known = [attribute.name for attribute in attrs.fields(cause.cl)]
            near = get_close_matches(unknown, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known)
            return Mistake(f"there is no {self._field} {unknown!r}", path=path, hint=hint, unknown=unknown)
        if isinstance(cause, KeyError):
            return Mistake(f"the {self._field} {cause.args[0]!r} is missing", path=path)
        if isinstance(cause, InvalidInput):
            return Mistake(cause.message, path=path, hint=cause.hint)
        return Mistake(str(cause), path=path)


def _first_cause(error: BaseException, path: Path = ()) -> tuple[Path, BaseException]:
    """The first mistake in a tree of them, and the path of the field that it is in."""
    if not isinstance(error, ClassValidationError | IterableValidationError):
        return path, error
    cause = error.exceptions[0]
    for note in getattr(cause, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            path = (*path, note.name)
        elif isinstance(note, IterableValidationNote):
            path = (*path, note.index)
    return _first_cause(cause, path)


def _strictly(kind: type[_T]) -> Callable[[Any, Any], _T]:
    def structure(value: Any, _: Any) -> _T:
        if type(value) is not kind:
            raise ValueError(f"must be {_TYPE_NAMES[kind]}, not {value!r}")
        return value

    return structure


def _choice(value: Any, kind: Any) -> Any:
    members = [member.value for member in kind]
    if value not in members:
        raise ValueError(f"must be one of {', '.join(members)}, not {value!r}")
    return kind(value)


def _quantity(parse: Callable[[str], int]) -> Callable[[Any, Any], int | None]:
    def structure(value: Any, kind: Any) -> int | None:
        if value is None and NoneType in get_args(kind):
            return None
        return parse(value) if isinstance(value, str) else _strictly(int)(value, kind)

    return structure


def _valid(structure: Callable[[Any, Any], Any], attribute: attrs.Attribute[Any]) -> Callable[[Any, Any], Any]:
    """``structure`` that also asks the field's own validator, so that what it says has the field's path."""
    validate = attribute.validator
    assert validate is not None

    def structure_valid(value: Any, kind: Any) -> Any:
        structured = structure(value, kind)
        validate(None, attribute, structured)
        return structured

    return structure_valid


def _from_table(structure: Callable[[Any, Any], _T]) -> Callable[[Any, Any], _T]:
    def structure_table(value: Any, kind: Any) -> _T:
        if not isinstance(value, dict):
            raise ValueError(f"must be a table, not {value!r}")
        return structure(value, kind)

    return structure_table


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _strictly(kind))
    converter.register_structure_hook_func(lambda kind: kind is Sha256, _strictly(str))
    return converter
