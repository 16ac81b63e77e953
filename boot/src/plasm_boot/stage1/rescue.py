"""What happens when booting failed: the machine tries again by itself, later each time, until somebody presses a key.

Pure: keys and seconds go in, what to show and what was chosen come out.

::

    Counting --a second passes--> Counting … --none is left--> RETRY
       │ any key                                                 ▲
       ▼                                                         │
    Asking --a key of the menu--> its choice ────────────────────┘
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from attrs import frozen

_FIRST_WAIT: Final = 5
_LONGEST_WAIT: Final = 320


class Choice(StrEnum):
    """What can be done next; the value is its key."""

    RETRY = "r"
    OTHER_MODE = "m"
    DIAGNOSTICS = "d"
    POWER_OFF = "p"
    REBOOT = "b"
    SHELL = "s"


USUAL: Final = tuple(choice for choice in Choice if choice is not Choice.SHELL)
"""What every image offers; a shell only one that was built with it."""

_TITLES: Final = {
    Choice.RETRY: "try again",
    Choice.OTHER_MODE: "boot another mode",
    Choice.DIAGNOSTICS: "show diagnostics",
    Choice.POWER_OFF: "power off",
    Choice.REBOOT: "reboot",
    Choice.SHELL: "shell",
}


def seconds_before_retry(failures: int) -> int:
    """How long to wait after so many failures, the first being 1: 5, 10, 20 … 320 seconds."""
    return int(min(_FIRST_WAIT * 2 ** min(failures - 1, 10), _LONGEST_WAIT))


def menu(offered: Sequence[Choice]) -> list[str]:
    """The lines of the menu."""
    return [f"  {choice.value}  {_TITLES[choice]}" for choice in offered]


@frozen
class Counting:
    """The machine tries again when no ``seconds`` are left."""

    seconds: int

    def tick(self) -> Counting | Choice:
        """A second has passed."""
        return Counting(self.seconds - 1) if self.seconds > 1 else Choice.RETRY

    def line(self) -> str:
        """What to show."""
        return f"trying again in {self.seconds} s; any key stops that"


@frozen
class Asking:
    """Somebody is there, and the machine waits for a choice."""

    def line(self) -> str:
        """What to show."""
        return "press one of these keys"


def press(key: str, offered: Sequence[Choice]) -> Asking | Choice:
    """What a key leads to, in any state: its choice, or the question."""
    return next((choice for choice in offered if choice.value == key.lower()), Asking())
