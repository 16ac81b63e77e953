"""Reading what the options of ``plasm run`` mean."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from plasm.errors import InvalidInput, UnreadableInput, UnwritableOutput
from plasm.files import PendingFile
from plasm.model import Mount, Preopen


def quantity(option: str, text: str | None, parse: Callable[[str], int]) -> int | None:
    """The value of an option that may not have been given.

    Raises:
        InvalidInput: not what ``parse`` reads; the message names the option.
    """
    try:
        return None if text is None else parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"{option}: {error.message}", hint=error.hint) from None


def parse_env(text: str) -> tuple[str, str]:
    """``NAME=VALUE``.

    Raises:
        InvalidInput: no ``=``.
    """
    name, separator, value = text.partition("=")
    if not separator:
        raise InvalidInput(f"--env {text!r} has no value", hint=f"write --env {text}=VALUE")
    return name, value


def parse_dir(text: str) -> Preopen:
    """``HOST:GUEST`` or ``HOST:GUEST:ro``; the host folder must be there.

    Raises:
        InvalidInput: no guest path.
        UnreadableInput: no such folder.
    """
    paths = text.removesuffix(":ro")
    host, separator, guest = paths.rpartition(":")
    if not separator or not host:
        raise InvalidInput(f"--dir {text!r} names no guest path", hint=f"write --dir {text}:/data or {text}:/data:ro")
    mount = Mount(guest, read_only=paths != text)
    path = os.path.abspath(host)
    if not os.path.isdir(path):
        raise UnreadableInput(f"there is no folder {host}", hint=f"it was asked for by --dir {text}")
    return Preopen(path, mount)


def open_stdin(stack: ExitStack, path: Path | None) -> int | None:
    """A descriptor of the file at ``path``, closed with ``stack``; without a path, or for ``-``, our own stdin.

    Raises:
        UnreadableInput: it cannot be opened, or is a folder.
    """
    if path is None or str(path) == "-":
        try:
            os.fstat(0)
        except OSError:
            return None
        return 0
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read: {error.strerror}", hint="give --stdin a file") from None
    stack.callback(os.close, descriptor)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise UnreadableInput(f"{path} is a folder", hint="give --stdin a file")
    return descriptor


def open_output(stack: ExitStack, path: Path) -> PendingFile:
    """A file that will take its place at ``path`` when it is complete.

    Raises:
        UnwritableOutput: it could not be written there.
    """
    try:
        return stack.enter_context(PendingFile(path))
    except OSError as error:
        raise _unwritable(path, error) from None


def complete(pending: PendingFile, path: Path, data: bytes) -> None:
    """Write ``data`` to the file that was opened for ``path`` and put it in its place.

    Raises:
        UnwritableOutput: it could not be written; what was at ``path`` before is still there.
    """
    try:
        pending.commit(data)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> UnwritableOutput:
    return UnwritableOutput(f"{path} cannot be written: {error.strerror}", hint="give another path")
