"""Picks programs, libraries and modules out of a Debian for a system that is smaller than it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from plasm_boot.building import elf
from plasm_boot.building.contents import Contents, Entry, file, link, matching, read_folder
from plasm_boot.building.debian import Debian
from plasm_boot.building.python import LIBRARY, PROGRAM, sourceless

# Debian has everything in /usr, and these links to it.
_MERGED: Final = ("bin", "sbin", "lib", "lib64")

# What of the standard library only developers and windows use.
UNUSED_LIBRARY: Final = (
    *("config-*", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "curses", "dbm", "test"),
    *("tkinter", "turtle*", "turtledemo", "unittest", "xmlrpc", "venv", "LICENSE.txt", "msilib", "pydoc.*"),
    *("doctest.*", "__phello__", "lib-dynload/_test*", "lib-dynload/_dbm*"),
    *("lib-dynload/_curses*", "lib-dynload/_codecs_*", "lib-dynload/_xx*", "lib-dynload/xx*", "lib-dynload/nis*"),
    *("lib-dynload/ossaudiodev*", "lib-dynload/audioop*", "lib-dynload/readline*", "lib-dynload/_lsprof*"),
    *("lib-dynload/_ctypes_test*", "EXTERNALLY-MANAGED", "_sysconfigdata_*", "__pycache__/_sysconfigdata_*"),
    *("__pycache__/turtle*", "__pycache__/pydoc.*", "__pycache__/doctest.*"),
)


def foundation() -> Contents:
    """The links by which Debian's programs find each other, and the folders that are mounted over."""
    folders = {name: Entry(stat.S_IFDIR | 0o755) for name in ("dev", "proc", "run", "sys", "root", "var/lib")}
    return {name: link(f"usr/{name}") for name in _MERGED} | folders | {"tmp": Entry(stat.S_IFDIR | 0o1777)}


def pick(debian: Debian, paths: Iterable[str]) -> Contents:
    """These files of ``debian``, and what links among them lead to."""
    found: Contents = {}
    todo = [_real(debian.root, path) for path in paths]
    while todo:
        path = todo.pop()
        where = debian.root / path
        if path in found or not (where.is_symlink() or where.exists()):
            continue
        mode = where.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = os.readlink(where)
            found[path] = link(target)
            todo.append(_real(debian.root, os.path.normpath(PurePosixPath("/", path).parent / target)))
        elif stat.S_ISREG(mode):
            found[path] = file(where, stat.S_IMODE(mode))
        else:
            found[path] = Entry(mode)
    return found


def package(debian: Debian, name: str, without: Iterable[str] = ()) -> Contents:
    """The files of a Debian package but its documentation and ``without``."""
    unwanted = matching("usr/share/*", "etc/init.d/*", "etc/default/*", *without)
    paths = (_real(debian.root, path) for path in debian.files_of(name))
    files = pick(debian, (path for path in paths if not unwanted(path)))
    return {path: entry for path, entry in files.items() if not stat.S_ISDIR(entry.mode)}


def python(debian: Debian) -> Contents:
    """The interpreter and its standard library, as byte code."""
    library = read_folder(debian.root / LIBRARY, LIBRARY, unless=matching(*UNUSED_LIBRARY))
    return interpreter(debian) | sourceless(library)


def interpreter(debian: Debian) -> Contents:
    """The interpreter alone."""
    return pick(debian, ["usr/bin/python3", PROGRAM])


def with_libraries(debian: Debian, contents: Contents) -> Contents:
    """The same with the shared libraries that its programs need, and the loader."""
    binaries = [entry.content for entry in contents.values() if _is_program(entry)]
    found = elf.libraries((path for path in binaries if isinstance(path, Path)), debian.library_folders)
    names = [path.relative_to(debian.root).as_posix() for path in found]
    return pick(debian, [*names, debian.arch.loader]) | contents


def accounts(debian: Debian, names: Mapping[str, str]) -> Contents:
    """The users and groups with these names only; the values are their home folders, which are made."""
    users = [line for line in (debian.root / "etc/passwd").read_text().splitlines() if line.split(":")[0] in names]
    numbers = {line.split(":")[3] for line in users}
    groups = (debian.root / "etc/group").read_text().splitlines()
    kept = [line for line in groups if line.split(":")[0] in names or line.split(":")[2] in numbers]
    folders = {home.lstrip("/"): Entry(stat.S_IFDIR | 0o755) for home in names.values() if home}
    return folders | {
        "etc/passwd": file("".join(f"{line}\n" for line in users)),
        "etc/group": file("".join(f"{line}\n" for line in kept)),
        "etc/nsswitch.conf": file("passwd: files\ngroup: files\nhosts: files dns\n"),
        "etc/hosts": file("127.0.0.1 localhost\n::1 localhost\n"),
    }


def _is_program(entry: Entry) -> bool:
    if not stat.S_ISREG(entry.mode) or not isinstance(entry.content, Path):
        return False
    with entry.content.open("rb") as opened:
        return opened.read(4) == elf.MAGIC


def _real(root: Path, path: str) -> str:
    """``path`` with links among its folders followed, as Debian's packages still name files below /lib and /bin."""
    where = PurePosixPath(path.lstrip("/"))
    parent = where.parent
    if str(parent) == ".":
        return str(where)
    resolved = Path(os.path.realpath(root / parent))
    inside = resolved.relative_to(root.resolve()) if resolved.is_relative_to(root.resolve()) else parent
    return str(PurePosixPath(inside) / where.name)
