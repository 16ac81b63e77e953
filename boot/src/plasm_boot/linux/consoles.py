"""Every console that the kernel writes to, as one: a screen and a serial line are equals."""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import time
import tty
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_LINE: Final = re.compile(r"(?P<name>[A-Za-z]+[A-Za-z0-9]*)\s+\S{3}\s+\((?P<flags>[^)]*)\)")
_INPUT_MODES, _LOCAL_MODES = 0, 3  # of what tcgetattr gives
_PATIENCE_MS: Final = 1000
"""A console whose other end does not read loses lines; it does not hold up the machine."""


def names(proc_consoles: str) -> list[str]:
    """The devices of the enabled consoles in the text of /proc/consoles (proc(5)), in its order."""
    matches = filter(None, map(_LINE.match, proc_consoles.splitlines()))
    return [match["name"] for match in matches if "E" in match["flags"]]


def escaped(text: str) -> str:
    """``text`` in printable ASCII, all else as Python's escapes: a terminal obeys what it is shown."""
    return text.encode("unicode_escape").decode()


class Consoles:
    """The consoles behind these descriptors, written to and read from together."""

    def __init__(self, descriptors: Iterable[int]) -> None:
        self._descriptors = list(descriptors)
        self._listening = set(self._descriptors)

    @classmethod
    def of_this_machine(cls) -> Consoles:
        """Those of /proc/consoles that can be opened, or else standard output; keys come at once and without echo."""
        return cls(_opened_for_keys())

    @classmethod
    def to_write_to(cls) -> Consoles:
        """Those that this user may write to, or else standard output."""
        return cls(list(_opened(os.O_WRONLY)) or [1])

    def write(self, text: str) -> None:
        """Show ``text`` on every console; one that does not take it goes without."""
        for descriptor in self._descriptors:
            _write(descriptor, text.encode("utf-8", "replace"))

    def key(self, seconds: float) -> str | None:
        """The next key pressed at any console, or ``None`` when none came within ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for descriptor in self._with_something_to_read(left):
                with contextlib.suppress(OSError):
                    if pressed := os.read(descriptor, 1):
                        return pressed.decode("ascii", "replace")
        return None

    def open_again(self) -> None:
        """Open those of this machine anew: a session that ends hangs its terminal up for all who had it open."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = _opened_for_keys()
        self._listening = set(self._descriptors)

    def terminal(self) -> int:
        """The first console anew, as programs expect a terminal: lines are edited and shown."""
        descriptor = os.open(os.ttyname(self._descriptors[0]), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        mode = termios.tcgetattr(descriptor)
        mode[_LOCAL_MODES] |= termios.ICANON | termios.ECHO
        mode[_INPUT_MODES] |= termios.ICRNL
        termios.tcsetattr(descriptor, termios.TCSANOW, mode)
        return descriptor

    def _with_something_to_read(self, seconds: float) -> list[int]:
        polled = select.poll()
        for descriptor in self._listening:
            polled.register(descriptor, select.POLLIN)
        found = polled.poll(seconds * 1000)
        for descriptor, event in found:
            # A line that hung up would have something to tell at once and for ever.
            if event & ~select.POLLIN:
                self._listening.discard(descriptor)
        return [descriptor for descriptor, event in found if event & select.POLLIN]

    def forget_keys(self) -> None:
        """Pass over what was typed before anything was asked."""
        for descriptor in self._descriptors:
            with contextlib.suppress(termios.error):
                termios.tcflush(descriptor, termios.TCIFLUSH)


def _opened_for_keys() -> list[int]:
    descriptors = list(_opened(os.O_RDWR))
    for descriptor in descriptors:
        with contextlib.suppress(termios.error):
            tty.setcbreak(descriptor, termios.TCSANOW)
    return descriptors or [1]


def _opened(access: int) -> Iterator[int]:
    for name in names(Path("/proc/consoles").read_text()):
        with contextlib.suppress(OSError):
            yield os.open(f"/dev/{name}", access | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)


def _write(descriptor: int, data: bytes) -> None:
    polled = select.poll()
    polled.register(descriptor, select.POLLOUT)
    while data and polled.poll(_PATIENCE_MS):
        try:
            data = data[os.write(descriptor, data) :]
        except OSError:
            return
