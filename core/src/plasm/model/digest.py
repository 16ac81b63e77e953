"""SHA-256 digests as Plasm writes them: 64 lower-case hex digits."""

from __future__ import annotations

import re
from typing import Final, NewType

Sha256 = NewType("Sha256", str)

_PATTERN: Final = re.compile(r"[0-9a-f]{64}")


def sha256_hex(data: bytes) -> Sha256:
    """The SHA-256 of ``data`` (FIPS 180-4)."""
    import hashlib

    return Sha256(hashlib.sha256(data).hexdigest())


def is_sha256(text: str) -> bool:
    """Whether ``text`` is a digest in the form of :func:`sha256_hex`."""
    return _PATTERN.fullmatch(text) is not None
