"""Where things are in a repository: paths relative to it, the same for those who write, serve and read.

``metadata/`` has TUF's metadata with consistent snapshots: ``timestamp.json``, which changes, and files whose names
begin with their version, which never do.  ``targets/`` has the boot manifests, whose names begin with their digest, and
``artifacts/`` what they speak of, by digest alone.
"""

from __future__ import annotations

from typing import Final

METADATA: Final = "metadata"
TARGETS: Final = "targets"
ARTIFACTS: Final = "artifacts"
TIMESTAMP: Final = f"{METADATA}/timestamp.json"


def versioned(role: str, version: int) -> str:
    """The metadata of ``role`` in this version."""
    return f"{METADATA}/{version}.{role}.json"


def target(path: str, sha256: str) -> str:
    """The target that TUF calls ``path``, with the digest in its name as consistent snapshots have it."""
    folder, _, name = path.rpartition("/")
    return f"{TARGETS}/{folder}/{sha256}.{name}"


def artifact(sha256: str) -> str:
    """The artifact with this digest."""
    return f"{ARTIFACTS}/{sha256}"
