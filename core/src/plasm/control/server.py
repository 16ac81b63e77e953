"""Serves the control socket: this machine's owner asks, and has jobs run (docs/control.md)."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc

from plasm.control.access import Access
from plasm.control.address import short_path
from plasm.control.lines import LineReader, line
from plasm.errors import InternalError, InvalidInput, PlasmError, ProtocolViolation, UnwritableOutput
from plasm.ops.concurrency import task_group

ROWS_A_LINE: Final = 100
"""A line has room for so many rows of any list."""
_RECEIVE_BYTES: Final = 2**18
_PAUSE_SECONDS: Final = 0.1

_log = logging.getLogger(__name__)

Fields = dict[str, Any]
Answer = Callable[["ControlConnection", Fields], Awaitable[Any]]


class ControlConnection:
    """One connection of the owner's: its request, and what follows it in both directions."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._reader = LineReader()
        self._lines: deque[tuple[str, Any]] = deque()
        self._sending = anyio.Lock()

    async def receive(self) -> tuple[str, Any] | None:
        """The next line; ``None`` when the other end has closed.

        Raises:
            ProtocolViolation: not a line of the protocol.
        """
        while not self._lines:
            try:
                data = await self._stream.receive(_RECEIVE_BYTES)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return None
            self._lines.extend(self._reader.feed(data))
        return self._lines.popleft()

    async def send(self, kind: str, value: Any) -> None:
        """Say one line.

        Raises:
            BrokenResourceError: nobody listens any more.
        """
        async with self._sending:
            await self._stream.send(line(kind, value))


class ControlSocket:
    """The socket at ``path``, for those who have ``access``; ``answers`` are what it can be asked."""

    def __init__(self, path: Path, answers: Mapping[str, Answer], access: Access) -> None:
        self._path = path
        self._answers = answers
        self._access = access

    async def serve(self, listener: anyio.abc.SocketListener) -> None:
        """Answer what comes to ``listener`` until cancelled; the socket is gone then."""
        try:
            async with listener, task_group() as tasks:
                while True:
                    try:
                        await listener.serve(self._answer, tasks)
                    except anyio.BrokenResourceError as error:
                        # Too many open files, most likely; some will be closed.
                        _log.warning("cannot accept a connection of the owner's: %s", error.__cause__)
                        await anyio.sleep(_PAUSE_SECONDS)
        finally:
            self._path.unlink(missing_ok=True)

    async def listen(self) -> anyio.abc.SocketListener:
        """Make the socket; whoever connects waits for :meth:`serve`.

        Raises:
            UnwritableOutput: it cannot be made there, or not for the group that is to have access.
        """
        try:
            self._access.open_folder(self._path.parent)
            name, folder = short_path(self._path)
            try:
                self._path.unlink(missing_ok=True)
                mask = os.umask(0o177)
                try:
                    listener = await anyio.create_unix_listener(name, mode=stat.S_IRUSR | stat.S_IWUSR)
                finally:
                    os.umask(mask)
                self._access.open_socket(self._path)
                return listener
            finally:
                os.close(folder)
        except OSError as error:
            raise UnwritableOutput(
                f"the control socket {self._path} cannot be made: {error.strerror}", hint="set XDG_RUNTIME_DIR"
            ) from None

    async def _answer(self, stream: anyio.abc.SocketStream) -> None:
        connection = ControlConnection(stream)
        async with stream:
            try:
                await self._answer_one(connection, stream)
            except PlasmError as error:
                await _say_error(connection, error)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # the owner has gone
            except TimeoutError:
                await _say_error(connection, ProtocolViolation("nothing more of the job has come for too long"))
            except Exception:
                _log.warning("answering the owner failed", exc_info=True)
                await _say_error(connection, InternalError("the node could not answer", hint="see its log"))

    async def _answer_one(self, connection: ControlConnection, stream: anyio.abc.SocketStream) -> None:
        request = await connection.receive()
        if request is None:
            return
        kind, fields = request
        if kind != "request" or not isinstance(fields, dict):
            raise ProtocolViolation("the first line must be a request")
        wanted = str(fields.pop("do", None))
        self._access.check(stream.extra(anyio.abc.SocketAttribute.raw_socket), wanted)  # noqa: S610 - a socket's
        answer = self._answers.get(wanted)
        if answer is None:
            raise InvalidInput("an unknown request", hint="known are " + ", ".join(self._answers))
        result = await answer(connection, fields)
        while isinstance(result, list) and len(result) > ROWS_A_LINE:
            await connection.send("rows", result[:ROWS_A_LINE])
            result = result[ROWS_A_LINE:]
        if result is not None:
            await connection.send("result", result)


async def _say_error(connection: ControlConnection, error: PlasmError) -> None:
    # The owner may have gone.
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await connection.send("error", {"code": error.code, "message": error.message, "hint": error.hint})
