"""Packages whose names are imported when they are first used, so that start-up pays only for what it needs.

Such a package says ``TYPE_CHECKING = False`` itself, which type checkers take for true: importing :mod:`typing` for
it would cost more than everything else at the start of a command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def lazily(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` (PEP 562) for ``package``; ``homes`` maps its names to their modules."""

    def get(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home), name)

    return get, lambda: sorted(homes)
