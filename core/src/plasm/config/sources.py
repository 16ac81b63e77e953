"""Where configuration comes from: which files count, who may write them, and the part that every command reads.

That part, the keys before the first table, is read on the way into every job, by the command and by its worker.  So
this module imports nothing new until a file sets one of them in an unusual way.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from plasm.errors import InvalidConfig, UnreadableInput

SYSTEM_FILE: Final = Path("/etc/plasm/config.toml")
MAX_CONFIG_BYTES: Final = 2**20

_TEXTS: Final = ("runtime", "signer", "transport")
_LISTS: Final = ("disable_plugins", "discoveries", "bootstrap")


def folder(environ: Mapping[str, str], kind: str, default: str) -> Path:
    """The folder for what is of this ``kind``, in capitals; ``default`` is below the home folder."""
    if home := environ.get("PLASM_HOME"):
        return Path(home).absolute() / kind.lower()
    base = environ.get(f"XDG_{kind}_HOME", "")
    # The specification: a relative path is invalid and is to be ignored.
    return (Path(base) if base.startswith("/") else Path(environ.get("HOME") or Path.home()) / default) / "plasm"


def config_folder(environ: Mapping[str, str]) -> Path:
    """Where the user's configuration is."""
    return folder(environ, "CONFIG", ".config")


def variable(key: str) -> str:
    """The variable that sets ``key``, as in ``node.workers``."""
    return "PLASM_" + key.replace(".", "_").upper()


def split(text: str) -> list[str]:
    """A list as a variable holds it, parted by commas or spaces."""
    return text.replace(",", " ").split()


def files(environ: Mapping[str, str]) -> list[tuple[Path, str]]:
    """The configuration files that are there, with what they contain; the later one wins.

    Raises:
        InvalidConfig: no file, too long, not UTF-8, or everybody may write it.
        UnreadableInput: there, but not to be read; or named by ``PLASM_CONFIG`` and not there.
    """
    if named := environ.get("PLASM_CONFIG"):
        path = Path(named).absolute()
        return [(path, read_file(path))]
    found = []
    for path in (SYSTEM_FILE, config_folder(environ) / "config.toml"):
        try:
            found.append((path, read_file(path)))
        except _Absent:
            continue
    return found


class _Absent(UnreadableInput):
    """There is no such file."""


def read_file(path: Path) -> str:
    """What the configuration file at ``path`` contains.

    Raises:
        InvalidConfig, UnreadableInput: as :func:`files`.
    """
    try:
        # A pipe with nobody at its other end is not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        # A folder that this user may not look into, as another's home, has no configuration for this user.
        hidden = error.errno == errno.EACCES and not os.path.lexists(path)
        absent = hidden or error.errno in (errno.ENOENT, errno.ENOTDIR)
        kind = _Absent if absent else UnreadableInput
        raise kind(f"{path} cannot be read: {error.strerror}", hint="it is a configuration file") from None
    try:
        data = _read(path, descriptor)
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(data) > MAX_CONFIG_BYTES:
        raise InvalidConfig(f"{path}: it is longer than {MAX_CONFIG_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidConfig(f"{path}:{line}: it is not UTF-8", hint="save it as UTF-8") from None


def _read(path: Path, descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        if str(path) == os.devnull:
            return b""
        raise InvalidConfig(f"{path}: it is not a file", hint="a configuration is a TOML file")
    if status.st_mode & stat.S_IWOTH:
        raise InvalidConfig(
            f"{path}: everybody may write it, and so decide what this machine runs", hint=f"run: chmod o-w {path}"
        )
    data = b""
    while chunk := os.read(descriptor, MAX_CONFIG_BYTES + 1 - len(data)):
        data += chunk
    return data


def everyday_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the files set before their first table, the later file's over the earlier one's.

    Raises:
        InvalidConfig: an unknown or ill-typed key among them.
    """
    said: dict[str, Any] = {}
    for path, text in files(environ):
        said |= _before_first_table(path, text)
    return said


def _before_first_table(path: Path, text: str) -> dict[str, Any]:
    head = []
    for line in text.splitlines():
        begin = line.lstrip()
        if begin.startswith("["):
            break
        if begin and not begin.startswith("#"):
            head.append(line)
    if not head:
        return {}
    said = _plainly(head) or _as_toml("\n".join(head))
    if said and all(_as_it_should_be(key, value) for key, value in said.items()):
        return said
    # Something is wrong, or written in an unusual way: reading all of it with care tells.
    from plasm.config.reading import checked

    everything = checked(path, text)
    return {key: everything[key] for key in (*_TEXTS, *_LISTS) if key in everything}


def _plainly(lines: list[str]) -> dict[str, Any]:
    """What ``lines`` say where each is a key and a value that JSON would write in the same way; else nothing.

    Most are, and json is loaded already, while loading tomllib takes longer than all the rest of this module.
    """
    import json

    said: dict[str, Any] = {}
    for line in lines:
        key, _, value = line.partition("=")
        key = key.strip()
        if key in said or "\\" in value or not value.isprintable():
            return {}
        try:
            said[key] = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return said


def _as_toml(text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def _as_it_should_be(key: str, value: Any) -> bool:
    if key in _TEXTS:
        return isinstance(value, str) and bool(value)
    return key in _LISTS and isinstance(value, list) and all(isinstance(each, str) and each for each in value)
