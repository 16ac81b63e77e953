"""Where the control socket is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

SOCKET_NAME: Final = "control.sock"


def short_path(path: Path) -> tuple[str, int]:
    """A name of the socket ``path`` that fits into a socket's address however deep the folder lies, and the descriptor
    of that folder, to be closed after use.

    Raises:
        OSError: there is no such folder.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{folder}/{path.name}", folder
