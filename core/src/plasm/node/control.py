"""Serves the control socket: this machine's owner asks, and has jobs run (docs/control.md)."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc

from plasm.contracts import PeerRecord
from plasm.control import LineReader, line, short_path, to_bytes, to_text
from plasm.errors import InvalidInput, PlasmError, ProtocolViolation, UnwritableOutput
from plasm.mesh.messages import (
    Accept,
    Failure,
    Message,
    ModuleChunk,
    Offer,
    OutputChunk,
    Progress,
    Reject,
    Result,
    StdinChunk,
    StdinEnd,
)
from plasm.model import PeerId, Sha256
from plasm.model.documents import manifest_from_json
from plasm.model.manifest import canonical

_RECEIVE_BYTES: Final = 2**18
_CREDENTIALS: Final = struct.Struct("3i")

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
    """The socket at ``path``, which only this user may use; ``answers`` are what it can be asked."""

    def __init__(self, path: Path, answers: Mapping[str, Answer]) -> None:
        self._path = path
        self._answers = answers

    async def serve(self) -> None:
        """Answer until cancelled; the socket is gone then.

        Raises:
            UnwritableOutput: it cannot be made there.
        """
        listener = await self._listen()
        try:
            async with listener:
                await listener.serve(self._answer)
        finally:
            self._path.unlink(missing_ok=True)

    async def _listen(self) -> anyio.abc.SocketListener:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            name, folder = short_path(self._path)
            try:
                self._path.unlink(missing_ok=True)
                mask = os.umask(0o177)
                try:
                    return await anyio.create_unix_listener(name, mode=stat.S_IRUSR | stat.S_IWUSR)
                finally:
                    os.umask(mask)
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

    async def _answer_one(self, connection: ControlConnection, stream: anyio.abc.SocketStream) -> None:
        if _user_of(stream) not in (os.geteuid(), 0):
            raise InvalidInput("this node serves its own user only")
        request = await connection.receive()
        if request is None:
            return
        kind, fields = request
        if kind != "request" or not isinstance(fields, dict):
            raise ProtocolViolation("the first line must be a request")
        answer = self._answers.get(str(fields.pop("do", None)))
        if answer is None:
            raise InvalidInput("an unknown request", hint="known are " + ", ".join(self._answers))
        result = await answer(connection, fields)
        if result is not None:
            await connection.send("result", result)


class ControlJob:
    """A job that comes by the control socket, as the messages that a peer would send."""

    def __init__(self, connection: ControlConnection, offer: Offer, node: PeerId) -> None:
        self._connection = connection
        self._offer: Offer | None = offer
        self._node = node

    async def receive(self) -> Message | None:
        """The next thing that the client says of its job.

        Raises:
            BrokenResourceError: the client has gone.
            ProtocolViolation: a line that is none of a job's.
        """
        if self._offer is not None:
            offer, self._offer = self._offer, None
            return offer
        said = await self._connection.receive()
        if said is None:
            raise anyio.BrokenResourceError
        return _heard(*said)

    async def send(self, message: Message) -> None:
        """Tell the client of its job.

        Raises:
            BrokenResourceError: the client has gone.
        """
        for kind, value in _said(message, self._node):
            await self._connection.send(kind, value)


def read_offer(fields: Fields) -> Offer:
    """The job that a request describes.

    Raises:
        InvalidInput: it describes none.
    """
    try:
        module, manifest = fields["module"], fields["manifest"]
        digest = Sha256(module["sha256"])
        job = manifest_from_json(json.dumps(manifest).encode(), digest)
        return Offer(canonical(job), digest, module["size"], fields["nonce"], stdin=bool(fields.get("stdin")))
    except (KeyError, TypeError):
        raise InvalidInput(
            "a job needs manifest, module (sha256, size) and nonce", hint="see docs/control.md"
        ) from None


def read_peers(fields: Fields) -> list[PeerRecord]:
    """The peers that a request names by their addresses.

    Raises:
        InvalidInput: an address without a peer id.
    """
    found = []
    for address in fields.get("peers") or ():
        if not isinstance(address, str) or "/p2p/" not in address:
            raise InvalidInput(f"{address!r} is not the address of a peer")
        found.append(PeerRecord(PeerId.parse(address.rpartition("/p2p/")[2]), (address,)))
    return found


def _heard(kind: str, value: Any) -> Message:
    if kind == "module":
        return ModuleChunk(to_bytes(value))
    if kind == "stdin":
        return StdinChunk(to_bytes(value))
    if kind == "stdin_end":
        return StdinEnd()
    raise ProtocolViolation(f"a line {kind!r} in the middle of a job")


def _said(message: Message, node: PeerId) -> list[tuple[str, Any]]:
    if isinstance(message, Accept):
        accepted = ("accepted", {"node": str(node)})
        return [("send", "module"), accepted] if message.module_wanted else [accepted]
    if isinstance(message, OutputChunk):
        return [("output", {"stream": message.stream, "data": to_text(part)}) for part in _parts(message.data)]
    if isinstance(message, Progress):
        return [("progress", {"phase": message.phase.value, "elapsed_ms": message.elapsed_ms})]
    if isinstance(message, Result):
        return [("result", {"receipt": json.loads(message.receipt)})]
    if isinstance(message, Failure):
        return [("error", {"code": message.code, "message": message.message, "hint": ""})]
    assert isinstance(message, Reject)
    text = f"the node does not take the job: {message.reason}"
    return [("error", {"code": "peer-rejected", "message": text, "hint": message.detail})]


def _parts(data: bytes) -> list[bytes]:
    from plasm.control import MAX_CHUNK_BYTES

    return [data[start : start + MAX_CHUNK_BYTES] for start in range(0, len(data), MAX_CHUNK_BYTES)]


async def _say_error(connection: ControlConnection, error: PlasmError) -> None:
    try:
        await connection.send("error", {"code": error.code, "message": error.message, "hint": error.hint})
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # the owner has gone


def _user_of(stream: anyio.abc.SocketStream) -> int:
    """The user id of the process at the other end, as the kernel knows it (unix(7), ``SO_PEERCRED``)."""
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
    credentials = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])
