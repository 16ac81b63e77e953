"""The names under which a repository's files are served.  Pure.

A path is served only where one of three patterns fits it as it was sent, byte by byte.  None of them has a percent
sign, an empty part or a part that begins with a dot in it: there is nothing to decode, and no way out of the folder.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

TIMESTAMP: Final = "metadata/timestamp.json"
MAX_PATH: Final = 512

_METADATA: Final = re.compile(r"metadata/(?P<version>[0-9]{1,10}\.)?[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.json", re.ASCII)
_PART: Final = r"[a-z0-9][a-z0-9_.-]{0,63}"
_MANIFEST: Final = re.compile(rf"targets/{_PART}/{_PART}/{_PART}/(?P<digest>[0-9a-f]{{64}})\.manifest\.json", re.ASCII)
_ARTIFACT: Final = re.compile(r"artifacts/(?P<digest>[0-9a-f]{64})", re.ASCII)


@frozen
class Name:
    """A file of a repository.

    ``digest`` is the SHA-256 that the name says the content has, if it does; ``changes`` is whether another content may
    come under this name; ``media_type`` is what to send it as.
    """

    path: str
    digest: str | None
    changes: bool
    media_type: str


def named(path: str) -> Name | None:
    """The file that ``path`` names, relative to the repository; ``None`` where no file can have such a name."""
    if len(path) > MAX_PATH:
        return None
    if match := _ARTIFACT.fullmatch(path):
        return Name(path, match["digest"], changes=False, media_type="application/octet-stream")
    if match := _MANIFEST.fullmatch(path):
        return Name(path, match["digest"], changes=False, media_type="application/json")
    if match := _METADATA.fullmatch(path):
        return Name(path, None, changes=match["version"] is None, media_type="application/json")
    return None
