"""Whether what a plugin made has what its contract asks for: read from the contract itself, before anybody uses it."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

_ON_THE_CLASS = "__"  # Python looks up __aenter__ and its like on the class


def misfit(made: object, contract: type) -> str | None:
    """What ``made`` lacks of ``contract``, in words that follow its name; ``None`` where it fits.

    A contract that is a protocol asks for its methods, and for properties of the types that it names where those are
    built in.  Any other contract asks for one of its instances.
    """
    if not getattr(contract, "_is_protocol", False):
        return None if isinstance(made, contract) else f"is a {type(made).__name__}, not a {contract.__name__}"
    if made is None:
        return "is nothing"
    if isinstance(made, type):
        return f"is the class {made.__name__}, not an object of it"
    for name, member in _members(contract):
        holder = type(made) if name.startswith(_ON_THE_CLASS) else made
        try:
            found = getattr(holder, name)
        except AttributeError:
            return f"has no {name}"
        except Exception as error:
            return f"fails to give its {name}: {type(error).__name__}: {error}"
        wanted = _builtin_type(member) if isinstance(member, property) else None
        if wanted is not None and not isinstance(found, wanted):
            return f"has a {name} of type {type(found).__name__}, not {wanted.__name__}"
        if not isinstance(member, property) and not callable(found):
            return f"has a {name} that cannot be called"
    return None


def _members(protocol: type) -> Iterator[tuple[str, Any]]:
    """The methods and properties that ``protocol`` defines, without what :mod:`typing` puts into every protocol."""
    for base in protocol.__mro__:
        for name, member in vars(base).items():
            function = member.fget if isinstance(member, property) else member
            if getattr(function, "__module__", None) == base.__module__ and getattr(base, "_is_protocol", False):
                yield name, member


def _builtin_type(member: property) -> type | None:
    annotation = str(member.fget.__annotations__.get("return", "")).partition("[")[0]
    found = getattr(builtins, annotation, None)
    return found if isinstance(found, type) else None
