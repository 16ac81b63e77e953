"""Finding the node that runs on this machine: this user's own, or the system's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from plasm.config import Config
from plasm.control.address import SOCKET_NAME
from plasm.control.client import ControlClient
from plasm.control.lock import node_runs
from plasm.errors import NodeNotRunning

SYSTEM_SOCKET: Final = Path("/run/plasm") / SOCKET_NAME


def node() -> ControlClient:
    """A connection to the node of this user, or else to the system's, which lets root and its own user in.  Who set
    ``PLASM_HOME`` means the node that has its folders there, and no other.

    Raises:
        NodeNotRunning: there is none.
    """
    own = Config.from_environment(os.environ).runtime_dir / SOCKET_NAME
    try:
        return ControlClient(own)
    except NodeNotRunning:
        if os.environ.get("PLASM_HOME"):
            raise
    return ControlClient(SYSTEM_SOCKET)


def node_serves_us(config: Config) -> bool:
    """Whether a node of this user's is running on this machine, or one of the system's that lets this user in."""
    if node_runs(config.state_dir):
        return True
    return not os.environ.get("PLASM_HOME") and os.access(SYSTEM_SOCKET, os.W_OK)
