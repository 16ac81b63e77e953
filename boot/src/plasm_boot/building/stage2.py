"""The initramfs of stage 2: an interpreter and the few modules that mount the root file system and hand over to it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import plasm_boot
from plasm_boot.building import kernel, picking
from plasm_boot.building.contents import Contents, file
from plasm_boot.building.debian import Debian
from plasm_boot.building.launcher import launcher
from plasm_boot.building.python import LIBRARY, cached, sourceless
from plasm_boot.building.wheels import SITE

MODULE: Final = "plasm_boot.stage2"
_CODECS: Final = ("encodings.ascii", "encodings.latin_1", "encodings.utf_8")
# What the standard library imports for those who debug it, or speak to the network.
_WITHOUT: Final = ("asyncio", "doctest", "multiprocessing", "pdb", "plasm", "pydoc", "ssl", "test", "unittest", "xml")


def stage2(debian: Debian, wheels: Contents, modules: tuple[str, ...]) -> Contents:
    """The files of a second stage; ``wheels`` hold ours, and ``modules`` are drivers that the mode's plugins need."""
    contents = (
        picking.foundation()
        | picking.interpreter(debian)
        | picking.package(debian, "kmod", without=("etc/*", "usr/lib/initramfs-tools/*", "usr/lib/systemd/*"))
        | kernel.modules(debian, (*kernel.STAGE2, *modules))
        | _modules(debian, wheels)
        | {"init": launcher(MODULE)}
    )
    return picking.with_libraries(debian, contents)


def _modules(debian: Debian, wheels: Contents) -> Contents:
    sources = Path(plasm_boot.__file__).parents[1]
    found = debian.python.closure([f"{MODULE}.__main__", *_CODECS], [sources], without=_WITHOUT)
    library = debian.root / LIBRARY
    contents: Contents = {}
    for path in found:
        if path.is_relative_to(library):
            name = f"{LIBRARY}/{path.relative_to(library)}"
            contents[name] = file(path)
            if (debian.root / cached(name)).exists():
                contents[cached(name)] = file(debian.root / cached(name))
        elif path.is_relative_to(sources):
            name = f"{SITE}/{path.relative_to(sources)}"
            contents |= {each: wheels[each] for each in (name, cached(name))}
    # Our package itself is a plugin of Plasm's, which is not here.
    package = f"{SITE}/plasm_boot/__init__.py"
    contents.pop(cached(package), None)
    return sourceless(contents) | {package: file("")}
