"""Modules that came from elsewhere, by their digest, so that they need not be sent again."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from plasm.artifacts.folders import is_private, prune
from plasm.artifacts.modules import Module
from plasm.files import write_atomically
from plasm.model import Sha256, sha256_hex

_MAX_STORE_BYTES: Final = 2 * 2**30
_RECENT_BYTES: Final = 64 * 2**20


class ModuleStore:
    """The modules in ``folder``.  Nothing here raises for a reason of the disk: a store that does not work costs time
    only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recent: OrderedDict[Sha256, Module] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, digest: Sha256) -> Module | None:
        """The module with this digest, if it was used of late; waits for no disk."""
        with self._lock:
            if digest in self._recent:
                self._recent.move_to_end(digest)
            return self._recent.get(digest)

    def get(self, digest: Sha256) -> Module | None:
        """The module with this digest, or ``None``; a damaged one is deleted."""
        path = self.folder / f"{digest}.wasm"
        try:
            if not is_private(self.folder):
                return None
            data = path.read_bytes()
            if sha256_hex(data) != digest:
                path.unlink()
                return None
            os.utime(path)
        except OSError:
            return None
        return self._remember(Module.of(data))

    def put(self, module: Module) -> None:
        """Keep ``module``, and remove those used longest ago where the store has grown too large."""
        self._remember(module)
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_private(self.folder):
                write_atomically(self.folder / f"{module.digest}.wasm", module.data)
                prune(self.folder, _MAX_STORE_BYTES)

    def _remember(self, module: Module) -> Module:
        with self._lock:
            self._recent[module.digest] = module
            while len(self._recent) > 1 and sum(len(each.data) for each in self._recent.values()) > _RECENT_BYTES:
                self._recent.popitem(last=False)
        return module
