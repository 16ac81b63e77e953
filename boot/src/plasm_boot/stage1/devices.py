"""Drivers for the devices of this machine: by the aliases that the devices have, as udev would load them.

Devices appear while others are found: each driver may bring more, and a USB stick takes its time.  The kernel tells of
each by a netlink message, a uevent (Documentation/admin-guide/mm, lib/kobject_uevent.c of Linux).
"""

from __future__ import annotations

import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import Final

from plasm_boot.linux import modules
from plasm_boot.linux.aliases import FIRST, device_aliases

_NETLINK_KOBJECT_UEVENT: Final = 15
_FROM_THE_KERNEL: Final = 1
_SECONDS_BETWEEN_LOOKS: Final = 0.5


class Devices:
    """Loads a driver for every device that is there and for every one that comes.  ``wanted`` chooses among the
    aliases; it is asked about each once."""

    def __init__(self, wanted: Callable[[str], bool] = lambda _: True) -> None:
        self._wanted = wanted
        self._seen: set[str] = set()
        self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_KOBJECT_UEVENT)
        self._events.bind((0, _FROM_THE_KERNEL))
        self._events.setblocking(False)

    def load_drivers(self) -> None:
        """Load what is missing, until loading brings nothing new."""
        if not self._seen:
            modules.load(FIRST)
        while new := set(device_aliases()) - self._seen:
            self._seen |= new
            modules.load(sorted(filter(self._wanted, new)))

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until ``condition`` holds, with drivers for what appears meanwhile; says whether it came to hold."""
        deadline = time.monotonic() + seconds
        while True:
            self.load_drivers()
            if condition():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._await_event(min(left, _SECONDS_BETWEEN_LOOKS))

    def _await_event(self, seconds: float) -> None:
        """Until something happens to a device; several events at once are one reason to look."""
        select.select([self._events], [], [], seconds)
        try:
            while self._events.recv(65536):
                pass
        except OSError:
            # Nothing more, or more than the socket holds: either way it is time to look.
            return


def serves_no_network(alias: str) -> bool:
    """Whether the device with this alias is driven by none of the kernel's network drivers."""
    return not is_network_driver(_shown("--show-depends", "-qab", alias))


def is_network_driver(modprobe_says: Iterable[str]) -> bool:
    """Whether one of the modules in the output of ``modprobe --show-depends`` is a network driver."""
    return any("/kernel/drivers/net/" in line for line in modprobe_says)


def _shown(*arguments: str) -> list[str]:
    done = subprocess.run(["/sbin/modprobe", *arguments], capture_output=True, text=True, check=False)  # noqa: S603  no shell
    return done.stdout.splitlines()
