"""Telling systemd how this process is, by the protocol of sd_notify(3): datagrams to the socket that it names.

Without such a socket nothing is told.  See https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

import anyio
import anyio.to_thread

_SEND_SECONDS: Final = 1.0


class ServiceManager:
    """Who started this process, where ``environ`` says so; ``alive_every`` is in how many seconds it wants to hear of
    us, ``None`` where it does not."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        limit = environ.get("WATCHDOG_USEC", "")
        # The variables are inherited; those of a parent's watchdog are not for us.
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = self._address and ours and limit.isascii() and limit.isdigit() and int(limit) > 0
        self.alive_every = int(limit) / 1_000_000 / 2 if watched else None

    def ready(self, status: str) -> None:
        """Peers can come; or what was reloaded is in force."""
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is read again; :meth:`ready` follows."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, status: str) -> None:
        """How it is going, for people."""
        self._say(f"STATUS={status}")

    def stopping(self, status: str) -> None:
        """No more jobs are taken, and this process ends when it has none."""
        self._say("STOPPING=1", f"STATUS={status}")

    def alive(self) -> None:
        """All is well, for this time."""
        self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        # An @ stands for the null byte of an abstract socket.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A manager that is gone, or hears nothing for a second, is no reason to stop working.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_manager:
            to_manager.settimeout(_SEND_SECONDS)
            to_manager.sendto("\n".join(lines).encode(), address)


async def keep_watched(manager: ServiceManager, answers: Callable[[], bool]) -> None:
    """Say again and again that this process is alive, as long as its event loop runs and ``answers``, which may wait
    for a disk, says so."""
    if manager.alive_every is None:
        return
    thread = anyio.CapacityLimiter(1)  # one that nobody else keeps us waiting for
    while True:
        if await anyio.to_thread.run_sync(answers, abandon_on_cancel=True, limiter=thread):
            manager.alive()
        await anyio.sleep(manager.alive_every)
