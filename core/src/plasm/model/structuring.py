"""Documents that people write: plain data in, values of the model out, and every mistake named by its path.

What a field takes is said once, by the value's class: its type, its validator, and in its metadata the ``quantity``
that a text may stand for and ``each``, which checks one element of a list.  A class is a table of its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import Enum, StrEnum, auto
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import attrs

from plasm.errors import InvalidInput
from plasm.model.digest import Sha256
from plasm.model.mistakes import Mistake, Mistakes, Path, show_path, show_value
from plasm.model.quantities import parse_age, parse_duration, parse_size

_QUANTITIES: Final[Mapping[str, Callable[[str], int]]] = {
    "size": parse_size,
    "duration": parse_duration,
    "age": parse_age,
}
_TYPE_NAMES: Final = {str: "text", int: "a whole number", bool: "true or false"}
_INTEGER_BITS: Final = 63
_MAX_KEPT: Final = 100
_MAX_GUESSED_LENGTH: Final = 64

_T = TypeVar("_T")


class _Wrong:
    """Stands for a value that a mistake was found in."""


_WRONG: Final = _Wrong()


class _Form(Enum):
    PLAIN = auto()
    LIST = auto()
    MAPPING = auto()
    TABLE = auto()


class _Shape(NamedTuple):
    """A type taken apart: what a value of it looks like, the class of it or of its elements, whether null will do."""

    form: _Form
    kind: Any
    optional: bool = False


class _Field(NamedTuple):
    shape: _Shape
    attribute: attrs.Attribute[Any]


class Structurer(Generic[_T]):
    """Makes values of ``root`` and of the classes that it is made of; ``field`` is what a field is called to people."""

    def __init__(self, root: type[_T], *, field: str = "field") -> None:
        self._root: Any = root
        self._field = field

    def __call__(self, document: object) -> _T:
        """The value that ``document`` says.

        Raises:
            Mistakes: fields that are unknown, missing or ill-typed, values that the model does not allow.
        """
        if not isinstance(document, dict):
            raise Mistakes([Mistake(f"it must be a table of {self._field}s")])
        walk = _Walk(self._root, self._field)
        value: _T = walk.value(document, _shape_of(self._root), ())
        if walk.found:
            raise Mistakes(walk.found, walk.others)
        return value


class _Walk:
    """One way through a document; goes on after a mistake."""

    def __init__(self, root: Any, field: str) -> None:
        self._root = root
        self._field = field
        self.found: list[Mistake] = []
        self.others = 0

    def value(self, value: Any, shape: _Shape, path: Path) -> Any:
        """What ``value`` stands for, or :data:`_WRONG` where a mistake was found in it."""
        if value is None and shape.optional:
            return None
        if shape.form is _Form.PLAIN:
            return value if type(value) is str and shape.kind is str else self._checked(path, _plain, value, shape.kind)
        if shape.form is _Form.TABLE:
            return self._table(value, shape.kind, path)
        if shape.form is _Form.LIST:
            return self._list(value, _shape_of(shape.kind), path)
        return self._mapping(value, _shape_of(shape.kind), path)

    def _table(self, value: Any, cls: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._mistake(path, f"must be a table, not {show_value(value)}")
        fields, given = _fields_of(cls), {}
        for name, each in value.items():
            if name in fields:
                given[name] = self._field_value(each, fields[name], (*path, name))
            else:
                given[name] = self._unknown(name, list(fields), path)
        for name, field in fields.items():
            if name not in given and field.attribute.default is attrs.NOTHING:
                given[name] = self._mistake(path, f"the {self._field} {name!r} is missing")
        return _WRONG if _WRONG in given.values() else self._checked(path, lambda: cls(**given))

    def _field_value(self, value: Any, field: _Field, path: Path) -> Any:
        metadata, validator = field.attribute.metadata, field.attribute.validator
        if "quantity" in metadata and isinstance(value, str):
            structured = self._checked(path, _QUANTITIES[metadata["quantity"]], value)
        elif "each" in metadata and isinstance(value, list):
            structured = self._list(value, _shape_of(field.shape.kind), path, metadata["each"])
        else:
            structured = self.value(value, field.shape, path)
        if structured is not _WRONG and validator is not None:
            return self._checked(path, _validated, validator, field.attribute, structured)
        return structured

    def _list(self, value: Any, shape: _Shape, path: Path, check: Callable[[Any], object] | None = None) -> Any:
        if not isinstance(value, list):
            return self._mistake(path, f"must be a list, not {show_value(value)}")
        elements = []
        for index, each in enumerate(value):
            element = self.value(each, shape, (*path, index))
            if element is not _WRONG and check is not None and self._checked((*path, index), check, element) is _WRONG:
                element = _WRONG
            elements.append(element)
        return _WRONG if _WRONG in elements else tuple(elements)

    def _mapping(self, value: Any, shape: _Shape, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._mistake(path, f"must be a table, not {show_value(value)}")
        elements = {name: self.value(each, shape, (*path, name)) for name, each in value.items()}
        return _WRONG if _WRONG in elements.values() else elements

    def _checked(self, path: Path, make: Callable[..., Any], *arguments: Any) -> Any:
        """What ``make`` makes of ``arguments``; what it raises is a mistake at ``path``."""
        try:
            return make(*arguments)
        except InvalidInput as error:
            return self._mistake(path, error.message, error.hint)

    def _mistake(self, path: Path, message: str, hint: str = "", *, at: Path | None = None) -> _Wrong:
        if len(self.found) < _MAX_KEPT:
            named = f"{show_path(path)}: {message}" if path else message
            self.found.append(Mistake(named, hint, path if at is None else at))
        else:
            self.others += 1
        return _WRONG

    def _unknown(self, name: str, known: list[str], path: Path) -> _Wrong:
        hint = _guess(name, known, self._root) if len(self.found) < _MAX_KEPT else ""
        return self._mistake(path, f"there is no {self._field} {show_value(name)}", hint, at=(*path, name))


@lru_cache(maxsize=64)
def _fields_of(cls: Any) -> Mapping[str, _Field]:
    """The fields of ``cls`` by their names, with the types that their annotations mean."""
    kinds = get_type_hints(cls)
    return {attribute.name: _Field(_shape_of(kinds[attribute.name]), attribute) for attribute in attrs.fields(cls)}


@lru_cache(maxsize=64)
def _shape_of(kind: Any) -> _Shape:
    if isinstance(kind, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
        return _shape_of(kind)._replace(optional=True)
    if get_origin(kind) is tuple:
        return _Shape(_Form.LIST, get_args(kind)[0])
    if get_origin(kind) is Mapping:
        return _Shape(_Form.MAPPING, get_args(kind)[1])
    return _Shape(_Form.TABLE if attrs.has(kind) else _Form.PLAIN, kind)


def _validated(validator: Any, attribute: attrs.Attribute[Any], value: _T) -> _T:
    validator(None, attribute, value)
    return value


def _plain(value: Any, kind: Any) -> Any:
    kind = str if kind is Sha256 else kind
    if kind not in _TYPE_NAMES:
        return _choice(value, kind)
    if type(value) is not kind:
        raise InvalidInput(f"must be {_TYPE_NAMES[kind]}, not {show_value(value)}")
    if kind is int and value.bit_length() > _INTEGER_BITS:
        raise InvalidInput(f"must be a whole number below 2^{_INTEGER_BITS}")
    return value


def _choice(value: Any, kind: type[StrEnum]) -> StrEnum:
    members = [member.value for member in kind]
    if not isinstance(value, str) or value not in members:
        raise InvalidInput(f"must be one of {', '.join(members)}, not {show_value(value)}")
    return kind(value)


def _guess(name: str, known: list[str], root: Any) -> str:
    """What whoever wrote ``name`` may have meant: a field of another table, or one of nearly that name."""
    if name in _fields_of(root):
        return "it belongs at the top, above every table"
    for table, field in _fields_of(root).items():
        if field.shape.form is _Form.TABLE and name in _fields_of(field.shape.kind):
            return f"it belongs below [{table}]"
    near = get_close_matches(name, known, 1) if len(name) <= _MAX_GUESSED_LENGTH else []
    return f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known)
