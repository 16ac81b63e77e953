"""Compiled modules on disk.

A compiled module is native code, so the folder belongs to its user alone (0700), and every entry carries the
SHA-256 of its content: one that does not match is deleted, never loaded.  The digest guards against damage; the
folder's mode guards against people.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Final

from plasm.artifacts.folders import is_private, prune
from plasm.files import write_atomically
from plasm.model import Sha256

_MAX_CACHE_BYTES: Final = 2**30
MAX_ARTIFACT_BYTES: Final = 2**29
_DIGEST_BYTES: Final = 32
_KEY: Final = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,99}")


def is_artifact_key(text: str) -> bool:
    """Whether ``text`` has the form of :meth:`~plasm.contracts.runtime.Runtime.artifact_key`, fit for a file name."""
    return _KEY.fullmatch(text) is not None


class ArtifactCache:
    """The artifacts of one runtime in ``folder``, by module digest and artifact key.

    Nothing here raises for a reason of the disk: a cache that does not work costs time only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, module: Sha256, key: str) -> bytes | None:
        """The artifact stored under these names, or ``None``."""
        path = self._path(module, key)
        try:
            if not is_private(self.folder):
                return None
            data = path.read_bytes()
            digest, artifact = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
            if hashlib.sha256(artifact).digest() != digest:
                path.unlink()
                return None
            os.utime(path)
        except OSError:
            return None
        return artifact

    def put(self, module: Sha256, key: str, artifact: bytes) -> None:
        """Store ``artifact``, and remove those used longest ago where the cache has grown too large."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_private(self.folder):
                write_atomically(self._path(module, key), hashlib.sha256(artifact).digest() + artifact)
                prune(self.folder, _MAX_CACHE_BYTES)

    def _path(self, module: Sha256, key: str) -> Path:
        return self.folder / f"{module}.{key}"
