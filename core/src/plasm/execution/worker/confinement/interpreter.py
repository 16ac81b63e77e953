"""What a Python process reads of its own accord: modules, and the shared libraries that they load."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Final

_SHARED_LIBRARIES: Final = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
_INSTALLED: Final = ("site-packages", "dist-packages")
_SCRIPTS: Final = ("__main__", "__mp_main__")


def interpreter_paths() -> list[str]:
    """Files and folders that this process may go on to read, some of which may not exist: the standard library,
    installed distributions, shared libraries, and the packages that it has loaded from elsewhere.

    ``sys.path`` itself says nothing: the folder of the script that somebody runs is on it, whatever else is there.
    """
    folders = {os.path.dirname(os.__file__), *_SHARED_LIBRARIES}
    for prefix in (sys.prefix, sys.base_prefix):
        folders.update((f"{prefix}/lib", f"{prefix}/lib64"))
    folders.update(filter(_holds_distributions, _outside(folders, sys.path)))
    return sorted({*folders, *_outside(folders, _loaded())})


def _holds_distributions(path: str) -> bool:
    """Whether ``path`` is one that installers write to, or an archive of modules."""
    if os.path.basename(path) in _INSTALLED or os.path.isfile(path):
        return True
    try:
        with os.scandir(path or os.curdir) as entries:
            return any(entry.name.endswith(".dist-info") for entry in entries)
    except OSError:
        return False


def _loaded() -> Iterator[str]:
    """The folder of each package, and the file of each module that is in no package."""
    for name, module in sys.modules.items():
        if "." in name or name in _SCRIPTS:
            continue
        names = getattr(module, "__dict__", {})
        if "__path__" in names:
            yield from names["__path__"]
        elif names.get("__file__"):
            yield names["__file__"]


def _outside(folders: Iterable[str], paths: Iterable[str]) -> list[str]:
    within = tuple(f"{folder}/" for folder in folders)
    return [path for path in paths if not f"{path}/".startswith(within)]
