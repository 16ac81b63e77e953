"""What the kernel's command line says to stage 1.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from attrs import frozen

from plasm.errors import InvalidInput
from plasm.model import PeerId
from plasm_boot.errors import BootArgumentInvalid
from plasm_boot.linux.fixed_address import FixedAddress

T = TypeVar("T")

_PREFIX: Final = "phase."
_WORD: Final = re.compile(r'(?:[^\s"]|"[^"]*")+')
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
_URL: Final = re.compile(r"https?://[!-~]{1,500}", re.ASCII)
_MULTIADDRESS: Final = re.compile(r"/[!-~]{1,600}", re.ASCII)


@frozen
class Arguments:
    """What whoever is at the machine said; ``None`` and empty where nothing was.  ``state`` and ``verity`` are between
    the stages and not here."""

    mode: str | None = None
    channel: str | None = None
    providers: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    address: FixedAddress | None = None
    debug: bool = False

    @classmethod
    def parse(cls, command_line: str) -> Arguments:
        """Those in the text of /proc/cmdline; what others say to others is passed over.

        Raises:
            BootArgumentInvalid: one of ours that says nothing.
        """
        said = list(_ours(command_line))

        return cls(
            mode=_last(said, "mode", _matching(_NAME)),
            channel=_last(said, "channel", _matching(_NAME)),
            providers=tuple(_all(said, "provider", _matching(_URL))),
            bootstrap=tuple(_all(said, "bootstrap", _peer)),
            address=_last(said, "ip", FixedAddress.parse),
            debug=("debug", "1") in said,
        )


def _ours(command_line: str) -> Iterator[tuple[str, str]]:
    for word in _WORD.findall(command_line):
        name, _, value = word.replace('"', "").partition("=")
        if name.startswith(_PREFIX):
            yield name.removeprefix(_PREFIX), value


def _all(said: Iterable[tuple[str, str]], name: str, read: Callable[[str], T]) -> list[T]:
    return [_read(name, value, read) for key, value in said if key == name]


def _last(said: Iterable[tuple[str, str]], name: str, read: Callable[[str], T]) -> T | None:
    values = _all(said, name, read)
    return values[-1] if values else None


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(value)
        return value

    return read


def _peer(text: str) -> str:
    PeerId.of_address(_matching(_MULTIADDRESS)(text))
    return text


def _read(name: str, value: str, read: Callable[[str], T]) -> T:
    try:
        return read(value)
    except (ValueError, InvalidInput):
        raise BootArgumentInvalid(
            f"{_PREFIX}{name}={value:.100} on the kernel's command line cannot be used",
            hint="reboot, and press e in the menu to edit the command line",
        ) from None
