"""Asking the node that runs on this machine, over its control socket; loads nothing that is slow to load."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from plasm.control.address import short_path
from plasm.control.lines import LineReader, line, to_text
from plasm.errors import NodeNotRunning, ProtocolViolation, by_code

_RECEIVE_BYTES: Final = 2**18


class ControlClient:
    """One connection to the control socket at ``path``.

    Raises:
        NodeNotRunning: nobody listens there.
    """

    def __init__(self, path: Path) -> None:
        self._reader = LineReader()
        self._lines: deque[tuple[str, Any]] = deque()
        self._sending = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            name, folder = short_path(path)
            try:
                self._socket.connect(name)
            finally:
                os.close(folder)
        except OSError:
            self._socket.close()
            raise NodeNotRunning("no node of yours is running on this machine", hint="plasm start") from None

    @property
    def descriptor(self) -> int:
        """What becomes readable when the node has said something."""
        return self._socket.fileno()

    def ask(self, request: str, *, more: bool = False, **fields: Any) -> Any:
        """The result of a request that is not about running a job; a long list comes in several lines.

        Args:
            request: what is asked for.
            more: whether another request is to follow on this connection, within half a minute; else the node closes.
            fields: what belongs to the request.

        Raises:
            PlasmError: what the node says is wrong.
        """
        self.send("request", {"do": request, **fields, **({"more": True} if more else {})})
        rows: list[Any] = []
        kind, value = self.receive()
        while kind == "rows" and isinstance(value, list):
            rows += value
            kind, value = self.receive()
        if kind != "result" or (rows and not isinstance(value, list)):
            raise ProtocolViolation(f"the node answers with {kind!r}")
        return rows + value if rows else value

    def send(self, kind: str, value: Any) -> None:
        """Say one line; may be called from several threads."""
        with self._sending:
            try:
                self._socket.sendall(line(kind, value))
            except OSError:
                raise NodeNotRunning("the node has closed the connection", hint="see its log") from None

    def send_bytes(self, kind: str, data: bytes) -> None:
        """Say one line of bytes."""
        self.send(kind, to_text(data))

    def waiting(self) -> bool:
        """Whether a line has come that :meth:`receive` gives without waiting."""
        return bool(self._lines)

    def receive(self) -> tuple[str, Any]:
        """The next line.

        Raises:
            PlasmError: what the node says is wrong.
            NodeNotRunning: it has gone.
        """
        while not self._lines:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except OSError:
                data = b""
            if not data:
                raise NodeNotRunning("the node ended before it had answered", hint="see its log")
            self._lines.extend(self._reader.feed(data))
        kind, value = self._lines.popleft()
        if kind == "error":
            raise by_code(str(value.get("code")))(str(value.get("message")), hint=str(value.get("hint") or ""))
        return kind, value

    def shut_down(self) -> None:
        """Give up what was asked for; whoever waits in :meth:`receive` hears that the node has gone."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; what was asked for is given up."""
        self._socket.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
