"""Serves the control socket: this machine's owner asks, and has jobs run (docs/control.md).

A connection carries requests one after the other; a job is its last one.  An answer is a value, the rows of a list,
or ``None`` where it has said all itself.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc

from plasm.control.access import Access
from plasm.control.address import short_path
from plasm.control.lines import LineReader, line
from plasm.errors import InternalError, InvalidInput, PlasmError, ProtocolViolation, UnwritableOutput
from plasm.ops.accepting import accept_each
from plasm.ops.concurrency import task_group

ROWS_A_LINE: Final = 100
"""A line has room for this many rows of any list."""
_RECEIVE_BYTES: Final = 2**18
_NEXT_REQUEST_SECONDS: Final = 30.0
_JOB_REQUESTS: Final = frozenset({"run", "submit"})
"""Requests whose lines are a job's until the connection ends."""

_log = logging.getLogger(__name__)

Fields = dict[str, Any]
Pages = AsyncIterator[Sequence[Any]]
"""The rows of a list, up to :data:`ROWS_A_LINE` at a time and never none."""
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
                await accept_each(
                    listener.accept, lambda stream: tasks.start_soon(self._answer_all, stream), "the owner's"
                )
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

    async def _answer_all(self, stream: anyio.abc.SocketStream) -> None:
        """Answer one request after the other, until the owner has no more or what he says makes no sense."""
        connection = ControlConnection(stream)
        async with stream:
            try:
                request = await connection.receive()
                while request is not None and await self._answer(connection, stream, request):
                    with anyio.move_on_after(_NEXT_REQUEST_SECONDS) as waiting:
                        request = await connection.receive()
                    if waiting.cancelled_caught:
                        return
            except PlasmError as error:
                await _say_error(connection, error)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # the owner has gone
            except TimeoutError:
                await _say_error(connection, ProtocolViolation("nothing more of the job has come for too long"))
            except Exception:
                _log.warning("answering the owner failed", exc_info=True)
                await _say_error(connection, InternalError("the node could not answer", hint="see its log"))

    async def _answer(
        self, connection: ControlConnection, stream: anyio.abc.SocketStream, request: tuple[str, Any]
    ) -> bool:
        """Answer ``request``; returns whether another may follow."""
        kind, fields = request
        if kind != "request" or not isinstance(fields, dict):
            raise ProtocolViolation("a request must be the first line, and the next one after an answer")
        wanted, more = str(fields.pop("do", None)), fields.pop("more", None) is True
        if wanted in _JOB_REQUESTS:
            await self._find(stream, wanted)(connection, fields)
            return False
        try:
            await _send_result(connection, await self._find(stream, wanted)(connection, fields))
        except ProtocolViolation:
            raise
        except PlasmError as error:
            await _say_error(connection, error)
        return more

    def _find(self, stream: anyio.abc.SocketStream, wanted: str) -> Answer:
        self._access.check(stream.extra(anyio.abc.SocketAttribute.raw_socket), wanted)  # noqa: S610 - a socket's
        answer = self._answers.get(wanted)
        if answer is None:
            raise InvalidInput("an unknown request", hint="known are " + ", ".join(self._answers))
        return answer


async def _send_result(connection: ControlConnection, result: Any) -> None:
    """Send an answer.  A list comes in lines of :data:`ROWS_A_LINE` rows, the last of which is the result."""
    if not isinstance(result, AsyncIterator):
        if result is not None:
            await connection.send("result", result)
        return
    last: Sequence[Any] = []
    async for rows in result:
        if last:
            await connection.send("rows", last)
        last = rows
    await connection.send("result", last)


async def in_lines(rows: Sequence[Any]) -> Pages:
    """A list that is there already, as an answer."""
    for start in range(0, len(rows), ROWS_A_LINE):
        yield rows[start : start + ROWS_A_LINE]


async def _say_error(connection: ControlConnection, error: PlasmError) -> None:
    # The owner may have gone.
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await connection.send("error", {"code": error.code, "message": error.message, "hint": error.hint})
