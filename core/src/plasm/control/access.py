"""Who may use the control socket: the node's own user and root; members of a group, where one is named, for jobs."""

from __future__ import annotations

import grp
import os
import socket
import struct
from pathlib import Path
from typing import Final

from attrs import frozen

from plasm.errors import AccessDenied, InvalidConfig, UnwritableOutput

_FOR_THE_GROUP: Final = frozenset({"status", "run", "submit"})

_CREDENTIALS: Final = struct.Struct("3i")
_SO_PEERGROUPS: Final = 59  # asm-generic/socket.h
_GROUPS_BYTES: Final = 1024  # as much as Python asks for; of somebody in more groups, only the first one is known


@frozen
class Access:
    """Access for the node's own user and root, and for members of ``group``, an id, where there is one."""

    group: int | None = None

    @classmethod
    def named(cls, group: str | None) -> Access:
        """Access for the members of the group called ``group``.

        Raises:
            InvalidConfig: this machine has no such group.
        """
        try:
            return cls(grp.getgrnam(group).gr_gid) if group else cls()
        except KeyError:
            raise InvalidConfig(
                f"control.group: this machine has no group {group!r}", hint=f"make it: groupadd {group}"
            ) from None

    def open_folder(self, folder: Path) -> None:
        """Make ``folder``, which only those who have access can pass through.

        Raises:
            OSError: it cannot be made.
            UnwritableOutput: the group cannot be given it.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._give(folder, 0o710)

    def open_socket(self, path: Path) -> None:
        """Let those who have access connect to the socket at ``path``.

        Raises:
            UnwritableOutput: the group cannot be given it.
        """
        self._give(path, 0o660)

    def check(self, connection: socket.socket, request: str) -> None:
        """Refuse whom the kernel names at the other end of ``connection``, if he may not ask for this.

        Raises:
            AccessDenied: he may not.
        """
        user = _user_of(connection)
        if user in (os.geteuid(), 0):
            return
        if self.group is None or self.group not in _groups_of(connection):
            raise AccessDenied(
                "this node serves its own user only", hint="its operator may name a group: control.group"
            )
        if request not in _FOR_THE_GROUP:
            raise AccessDenied(f"members of the node's group may ask for {', '.join(sorted(_FOR_THE_GROUP))} only")

    def _give(self, path: Path, mode: int) -> None:
        if self.group is None:
            return
        try:
            os.chown(path, -1, self.group)
            path.chmod(mode)
        except OSError as error:
            raise UnwritableOutput(
                f"{path} cannot be given to the group {self.group} of control.group: {error.strerror}",
                hint="make the node's user a member of it",
            ) from None


def _user_of(connection: socket.socket) -> int:
    """The user id of the process at the other end, as the kernel knows it (unix(7), ``SO_PEERCRED``)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def _groups_of(connection: socket.socket) -> set[int]:
    """The ids of all groups of the process at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    first = int(_CREDENTIALS.unpack(credentials)[2])
    try:
        others = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)
    except OSError:
        return {first}
    return {first, *(group for (group,) in struct.iter_unpack("I", others))}
