"""The control socket's lines, without any I/O: JSON objects of one key (docs/control.md)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any, Final

from plasm.errors import ProtocolViolation

_MAX_LINE_BYTES: Final = 2**20
MAX_CHUNK_BYTES: Final = 512 * 2**10


def line(kind: str, value: Any) -> bytes:
    """One line that says ``value`` under the name ``kind``."""
    return json.dumps({kind: value}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def to_text(data: bytes) -> str:
    """``data`` as it stands in a line."""
    return binascii.b2a_base64(data, newline=False).decode()


def to_bytes(text: object) -> bytes:
    """The inverse of :func:`to_text`.

    Raises:
        ProtocolViolation: not base64.
    """
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except ValueError:
        pass
    raise ProtocolViolation("bytes that are not base64")


class LineReader:
    """Bytes in, lines out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[str, Any]]:
        """Name and value of each line that is complete with ``data``.

        Raises:
            ProtocolViolation: a line too long, or not a JSON object of one key.
        """
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            taken = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            yield _parse(taken)
        if len(self._buffer) > _MAX_LINE_BYTES:
            raise ProtocolViolation(f"a line longer than {_MAX_LINE_BYTES} bytes")


def _parse(data: bytes) -> tuple[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or len(document) != 1:
        raise ProtocolViolation("a line that is not a JSON object of one key")
    ((kind, value),) = document.items()
    return kind, value
