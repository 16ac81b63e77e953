"""One node for one state folder: two with the same key would answer for each other."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final

from plasm.errors import NodeRunning, UnwritableOutput

_NAME: Final = "node.lock"


class NodeLock:
    """Held as long as a node runs; given up by the kernel when its process ends, however that comes.

    Raises:
        NodeRunning: a node holds it already.
        UnwritableOutput: the folder cannot be written.
    """

    def __init__(self, state_dir: Path) -> None:
        path = state_dir / _NAME
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnwritableOutput(f"{path} cannot be written: {error.strerror}", hint="set PLASM_HOME") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise NodeRunning(
                f"a node with the state in {state_dir} is running", hint="stop it first, or set another PLASM_HOME"
            ) from None

    def __enter__(self) -> NodeLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def node_runs(state_dir: Path) -> bool:
    """Whether a node with this state folder is running."""
    try:
        descriptor = os.open(state_dir / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
