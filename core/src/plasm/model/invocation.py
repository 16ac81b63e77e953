"""How a module is called: arguments, environment and the folders it sees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from plasm.errors import InvalidInput

_MAX_ARGUMENT_BYTES: Final = 2**20
_ENV_NAME: Final = re.compile(r"[!-<>-~]+")


@frozen
class Mount:
    """A folder that a job expects, by the name it has inside the sandbox."""

    guest: str = field(metadata={"doc": "Absolute path inside the sandbox."})
    read_only: bool = field(default=False, metadata={"doc": "Whether every change is refused."})

    def __attrs_post_init__(self) -> None:
        check_text("mount", self.guest)
        if not self.guest.startswith("/") or ".." in self.guest.split("/"):
            raise InvalidInput(f"{self.guest!r:.80} is not an absolute guest path", hint="write it like /data")


@frozen
class Preopen:
    """A mount bound to a folder of this machine."""

    host: str
    mount: Mount

    def __attrs_post_init__(self) -> None:
        check_text("host folder", self.host)


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


def _mounts(values: Iterable[Mount]) -> tuple[Mount, ...]:
    return tuple(values)


def _frozen_mapping(value: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(value))


@frozen
class Invocation:
    """Arguments (without the program's own name), environment and mounts of one call.

    Raises:
        InvalidInput: text that WASI cannot carry (NUL, lone surrogates), a bad name, too much of it.
    """

    args: tuple[str, ...] = field(default=(), converter=_texts, metadata={"doc": "Arguments after the program's name."})
    env: Mapping[str, str] = field(
        factory=dict,
        converter=_frozen_mapping,
        eq=dict,
        metadata={"doc": "Environment variables; nothing is inherited."},
    )
    mounts: tuple[Mount, ...] = field(default=(), converter=_mounts, metadata={"doc": "Folders that the job sees."})

    def __attrs_post_init__(self) -> None:
        total = 0
        for index, argument in enumerate(self.args):
            total += check_text(f"argument {index + 1}", argument)
        for name, value in self.env.items():
            if not _ENV_NAME.fullmatch(name):
                raise InvalidInput(
                    f"{name!r:.80} is not a name for an environment variable", hint="printable ASCII without '='"
                )
            total += len(name) + check_text(f"environment variable {name:.80}", value)
        if total > _MAX_ARGUMENT_BYTES:
            raise InvalidInput(
                f"arguments and environment take {total} bytes, more than {_MAX_ARGUMENT_BYTES}",
                hint="pass large data on stdin",
            )
        guests: set[str] = set()
        for mount in self.mounts:
            if mount.guest in guests:
                raise InvalidInput(f"the guest path {mount.guest} is mounted twice")
            guests.add(mount.guest)


def check_text(what: str, text: str) -> int:
    """The number of bytes that ``text`` takes in UTF-8; ``what`` it is goes into the message.

    Raises:
        InvalidInput: not text, or text that WASI cannot carry.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"{what} must be text, not {text!r:.80}")
    if "\0" in text:
        raise InvalidInput(f"{what} contains a NUL character")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} is not valid Unicode", hint="pass binary data on stdin") from None
