"""The image's own Python, run on this machine through the image's own loader: its byte code is what the image needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from attrs import frozen

from plasm_boot.building import emulation
from plasm_boot.building.architectures import Architecture
from plasm_boot.building.contents import Contents
from plasm_boot.building.run import run

VERSION: Final = "3.11"
PROGRAM: Final = f"usr/bin/python{VERSION}"
LIBRARY: Final = f"usr/lib/python{VERSION}"

# In one process and in order: what marshal writes depends on what else a process has compiled.
_COMPILE: Final = """
import compileall, py_compile, sys
compileall.compile_dir(sys.argv[1], maxlevels=99, quiet=2, force=True, stripdir=sys.argv[1], prependdir=sys.argv[2],
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""

_FOLLOW: Final = """
import json, modulefinder, sys
finder = modulefinder.ModuleFinder(json.loads(sys.argv[1]) + [path for path in sys.path if path],
    excludes=json.loads(sys.argv[2]))
for name in json.loads(sys.argv[3]):
    finder.import_hook(name, None, ["*"])
print(json.dumps(sorted(module.__file__ for module in finder.modules.values() if module.__file__)))
"""


_CACHED: Final = f".cpython-{VERSION.replace('.', '')}.pyc"


def sourceless(contents: Contents) -> Contents:
    """The same modules with byte code in their sources' place, which is smaller and imports faster."""
    made: Contents = {}
    for path, entry in contents.items():
        where = PurePosixPath(path)
        if where.parent.name == "__pycache__" and where.name.endswith(_CACHED):
            made[str(where.parents[1] / f"{where.name.removesuffix(_CACHED)}.pyc")] = entry
        elif not (path.endswith(".py") and cached(path) in contents) and where.name != "__pycache__":
            made[path] = entry
    return made


def cached(source: str) -> str:
    """Where the byte code of a source is."""
    where = PurePosixPath(source)
    return str(where.parent / "__pycache__" / (where.stem + _CACHED))


@frozen
class ImagePython:
    """The Python below ``root``."""

    root: Path
    arch: Architecture

    def compile_all(self, folder: Path, at: str) -> None:
        """Write byte code beside every source in ``folder``, which will be ``at`` in an image; it is used without a
        look at the source's time.  What is no Python of this version is left alone."""
        for cache in [*folder.rglob("__pycache__")]:
            shutil.rmtree(cache)
        self._run("-c", _COMPILE, folder, f"/{at}")

    def closure(self, modules: Iterable[str], path: Sequence[Path], without: Iterable[str]) -> list[Path]:
        """The files of ``modules``, found on ``path`` or in the standard library, and of all that they import but
        ``without``."""
        given = ([str(folder) for folder in path], sorted(without), sorted(modules))
        found = json.loads(self._run("-c", _FOLLOW, *(json.dumps(each) for each in given)))
        return [Path(name) for name in found]

    def _run(self, *arguments: object) -> str:
        libraries = self.root / "usr/lib" / self.arch.triplet
        # Not where programs look for it: that is a link, which may lead out of this root folder.
        loader = libraries / PurePosixPath(self.arch.loader).name
        return run(
            *emulation.before_one(self.arch),
            *(loader, "--library-path", libraries, self.root / PROGRAM, "-S", "-s", *arguments),
            environment={"PYTHONHOME": str(self.root / "usr"), "PYTHONHASHSEED": "0"},
        )
