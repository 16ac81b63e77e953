"""What is installed, read from the metadata of distributions; imports no plugin.

Reading the metadata of every distribution takes longer than a whole warm job, so the answer is kept in the cache
folder together with a fingerprint of ``sys.path``: installing or removing anything changes a folder's time.  What
loaded plugins declare about being chosen is kept beside it, so that a choice costs no import.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from plasm.files import write_atomically

_FORMAT: Final = 2


class PluginKind(StrEnum):
    """The kinds of plugins; a kind's entry-point group is ``plasm.`` and its value."""

    RUNTIME = "runtime"
    DISCOVERY = "discovery"
    TRANSPORT = "transport"
    SIGNING = "signing"
    BOOT_MODE = "boot_mode"
    EXTENSION = "extension"

    @property
    def group(self) -> str:
        return f"plasm.{self.value}"


class PluginEntry(NamedTuple):
    """One entry point of one distribution; ``target`` is ``module`` or ``module:object``."""

    kind: PluginKind
    name: str
    target: str
    distribution: str
    version: str

    @property
    def title(self) -> str:
        """The plugin as messages name it."""
        return f"the {self.kind} plugin {self.name!r} ({self.distribution} {self.version})"


class Declared(NamedTuple):
    """What a plugin's module declares about being chosen by default.

    Of several usable plugins the one with the highest ``preference`` (``PLASM_PREFERENCE``) is taken.  One that
    ``needs_bootstrap`` (``PLASM_NEEDS_BOOTSTRAP``) is of use only where there are peers to begin with.
    """

    preference: int = 0
    needs_bootstrap: bool = False


class PluginIndex:
    """Every plugin that is installed, by kind and name; from the file in ``cache_dir`` where that is current."""

    def __init__(self, cache_dir: Path) -> None:
        self._path = cache_dir / "plugins.json"
        self._fingerprint = _fingerprint()
        try:
            self._plugins = self._read()
        except (OSError, ValueError, TypeError, KeyError):  # absent, damaged or outdated
            self._plugins = dict.fromkeys(_scan())
            self._write()

    @property
    def entries(self) -> tuple[PluginEntry, ...]:
        """Disabled ones too."""
        return tuple(self._plugins)

    def declared(self, entry: PluginEntry) -> Declared | None:
        """What ``entry`` declared when it was last loaded; ``None`` where it has not been loaded yet."""
        return self._plugins[entry]

    def keep(self, declared: Mapping[PluginEntry, Declared | None]) -> None:
        """Keep what these plugins declare; with ``None``, forget it."""
        if declared.items() <= self._plugins.items():
            return
        self._plugins.update(declared)
        self._write()

    def _read(self) -> dict[PluginEntry, Declared | None]:
        document = json.loads(self._path.read_bytes())
        if document["fingerprint"] != self._fingerprint:
            raise ValueError("something was installed or removed")
        return {
            PluginEntry(PluginKind(kind), *rest): declared and Declared(*declared)
            for (kind, *rest), declared in document["plugins"]
        }

    def _write(self) -> None:
        document = {"fingerprint": self._fingerprint, "plugins": list(self._plugins.items())}
        with contextlib.suppress(OSError):
            write_atomically(self._path, json.dumps(document).encode())


def installed_plugins(cache_dir: Path) -> tuple[PluginEntry, ...]:
    """Every plugin that is installed; see :class:`PluginIndex`."""
    return PluginIndex(cache_dir).entries


def _fingerprint() -> list[object]:
    return [_FORMAT, sys.version, *([entry, _changed(entry)] for entry in sys.path)]


def _changed(path: str) -> int:
    try:
        return os.stat(path or ".").st_mtime_ns
    except OSError:
        return 0


def _scan() -> Iterable[PluginEntry]:
    from importlib.metadata import entry_points

    found = []
    for kind in PluginKind:
        for point in entry_points(group=kind.group):
            distribution = point.dist
            found.append(
                PluginEntry(
                    kind,
                    point.name,
                    point.value.replace(" ", ""),
                    distribution.name if distribution else "?",
                    distribution.version if distribution else "?",
                )
            )
    return sorted(found, key=lambda entry: (list(PluginKind).index(entry.kind), entry.name, entry.distribution))
