"""Finding the node that runs on this machine: this user's own, or the system's."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from plasm.config import Config
from plasm.control.address import SOCKET_NAME
from plasm.control.client import ControlClient
from plasm.control.lock import node_runs
from plasm.errors import NodeNotRunning

SYSTEM_SOCKET: Final = Path("/run/plasm") / SOCKET_NAME
START_SECONDS: Final = 10.0  # a node that starts holds its lock and has no socket yet
_LOOK_AGAIN_SECONDS: Final = 0.05


def node() -> ControlClient:
    """A connection to the node of this user, or else to the system's, which lets root and its own user in.  Where
    ``PLASM_HOME`` is set, the node is meant that has its folders there, and no other.

    Waits :data:`START_SECONDS` for a node that is starting.

    Raises:
        NodeNotRunning: there is none.
    """
    config = Config.from_environment(os.environ)
    own = config.runtime_dir / SOCKET_NAME
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            return ControlClient(own)
        except NodeNotRunning as error:
            nobody = error
        if not node_runs(config.state_dir):
            break
        if time.monotonic() > give_up:
            raise NodeNotRunning(
                f"a node of yours runs on this machine, but nobody answers at {own}",
                hint="see its log; it may have another XDG_RUNTIME_DIR",
            )
        time.sleep(_LOOK_AGAIN_SECONDS)
    if os.environ.get("PLASM_HOME"):
        raise nobody
    return ControlClient(SYSTEM_SOCKET)


def node_serves_us(config: Config) -> bool:
    """Whether a node of this user's is running on this machine, or one of the system's that lets this user in."""
    if node_runs(config.state_dir):
        return True
    return not os.environ.get("PLASM_HOME") and os.access(SYSTEM_SOCKET, os.W_OK)
