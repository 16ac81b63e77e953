"""What is installed, read from the metadata of distributions; imports no plugin.

Reading the metadata of every distribution takes longer than a whole warm job, so the answer is kept in the cache
folder together with a fingerprint of ``sys.path``: installing or removing anything changes a folder's time.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from plasm.files import write_atomically


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


def installed_plugins(cache_dir: Path) -> tuple[PluginEntry, ...]:
    """Every plugin that is installed, by kind and name; from the index in ``cache_dir`` where that is current."""
    path = cache_dir / "plugins.json"
    fingerprint = _fingerprint()
    try:
        document = json.loads(path.read_bytes())
        if document["fingerprint"] == fingerprint:
            return tuple(PluginEntry(PluginKind(kind), *rest) for kind, *rest in document["plugins"])
    except (OSError, ValueError, TypeError, KeyError):
        pass  # absent or damaged: it is made anew
    entries = tuple(_scan())
    document = {"fingerprint": fingerprint, "plugins": entries}
    with contextlib.suppress(OSError):
        write_atomically(path, json.dumps(document).encode())
    return entries


def _fingerprint() -> list[object]:
    return [sys.version, *([entry, _changed(entry)] for entry in sys.path)]


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
