"""Where configuration comes from: which files count and who may write them, and what the variables are called."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from plasm.errors import InvalidConfig, UnreadableInput

SYSTEM_FILE: Final = Path("/etc/plasm/config.toml")
_MAX_CONFIG_BYTES: Final = 2**20


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
    if len(data) > _MAX_CONFIG_BYTES:
        raise InvalidConfig(f"{path}: it is longer than {_MAX_CONFIG_BYTES} bytes")
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
    while chunk := os.read(descriptor, _MAX_CONFIG_BYTES + 1 - len(data)):
        data += chunk
    return data
