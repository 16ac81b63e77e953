"""The sockets: who is let in, for how long, and how it ends.

Hypercorn speaks HTTP on each connection, in its trio worker's :class:`TCPServer`.  The accepting is ours, for Hypercorn
bounds neither the connections nor the time in which a client has to take what it is sent, and it shields that sending
from being cancelled: a client that reads nothing would hold its place, and the end, for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp

from plasm.errors import AddressUnavailable
from plasm_boot.provider.addresses import Endpoint
from plasm_boot.provider.admission import Places, client_of
from plasm_boot.provider.tally import Tally

HEADER_SECONDS: Final = 10.0
"""Within it, a request has to be complete, from the connection's beginning or the end of the last answer."""
SENDING_SECONDS: Final = 30.0
"""Within it, a client has to take a piece of what it is sent: :data:`~.application.CHUNK_BYTES` at most."""
QUIET_SECONDS: Final = SENDING_SECONDS + HEADER_SECONDS
"""After it, a connection on which nothing was sent ends, whatever protocol it was upgraded to."""
MAX_HEADER_BYTES: Final = 8192
_PAUSE_SECONDS: Final = 1.0
_REFUSING_SECONDS: Final = 1.0
_REFUSING_AT_ONCE: Final = 64
_RETRY_SECONDS: Final = 5

_log = logging.getLogger(__name__)


class Connection:
    """A connection as Hypercorn uses one: a trio stream whose other end has to keep up.

    When it is over, or nothing goes on, ``scope`` is cancelled: Hypercorn would wait for the next request, though none
    can come.
    """

    def __init__(self, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        self._stream = stream
        self._scope = scope
        self._put_off_the_end()
        self.socket = stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = b""
        try:
            # No more at once than a request may have, for Hypercorn bounds only those of which a part is missing.
            data = bytes(await self._stream.receive_some(min(max_bytes or MAX_HEADER_BYTES, MAX_HEADER_BYTES)))
        finally:
            if not data:
                self._scope.cancel()
        return data

    async def send_all(self, data: bytes) -> None:
        """Send all of ``data``.

        Raises:
            trio.BrokenResourceError: the other end is gone, or does not take it in time.
        """
        self._put_off_the_end()
        with trio.move_on_after(SENDING_SECONDS) as patience:
            await self._stream.send_all(data)
        if patience.cancelled_caught:
            self.drop()
            raise trio.BrokenResourceError("the client does not read")

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def drop(self) -> None:
        """Close it at once, whatever is under way."""
        self.socket.close()
        self._scope.cancel()

    def _put_off_the_end(self) -> None:
        self._scope.deadline = trio.current_time() + QUIET_SECONDS


class Server:
    """Serves ``application`` to as many clients as there are ``places`` for."""

    def __init__(self, application: ASGIApp, places: Places, tally: Tally) -> None:
        self._config = Config()
        self._config.errorlog = _log
        self._config.include_server_header = False
        self._config.keep_alive_timeout = HEADER_SECONDS
        self._config.h11_max_incomplete_size = MAX_HEADER_BYTES
        self._config.h2_max_concurrent_streams = 1
        self._application = wrap_app(application, 0, "asgi")  # type: ignore[arg-type]  # its own words for ASGI
        self._context = WorkerContext(None)
        self._places = places
        self._tally = tally
        self._open: set[Connection] = set()
        self._refusing = 0
        self._left = trio.Event()

    async def serve(self, listeners: Sequence[trio.SocketListener], stopping: trio.Event, grace: float) -> None:
        """Serve until ``stopping``; then finish what is being sent, within ``grace`` seconds, and return."""
        async with trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    for listener in listeners:
                        accepting.start_soon(self._accept, listener, connections)
                    await stopping.wait()
                    accepting.cancel_scope.cancel()
                await self._context.terminated.set()
                with trio.move_on_after(grace):
                    while self._open:
                        await self._left.wait()
            finally:
                # Also where this is cancelled: Hypercorn would not hear of it while it sends.
                for connection in tuple(self._open):
                    connection.drop()
                connections.cancel_scope.cancel()

    async def _accept(self, listener: trio.SocketListener, connections: trio.Nursery) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    # Out of descriptors, most likely; connections that end give some back.
                    _log.warning("cannot accept a connection: %s", error)
                    await trio.sleep(_PAUSE_SECONDS)
                else:
                    connections.start_soon(self._welcome, stream)

    async def _welcome(self, stream: trio.SocketStream) -> None:
        try:
            client = client_of(stream.socket.getpeername()[0])
        except OSError:
            stream.socket.close()
            return
        if self._places.crowded_by(client):
            await self._refuse(stream, 429, "Too Many Requests")
        elif self._places.full:
            await self._refuse(stream, 503, "Service Unavailable")
        else:
            self._places.enter(client)
            try:
                await self._serve(stream)
            finally:
                self._places.leave(client)

    async def _serve(self, stream: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            connection = Connection(stream, scope)
            self._open.add(connection)
            self._tally.connections += 1
            try:
                # Its parameter's type is that of a TLS connection; it asks what it has got.
                await TCPServer(
                    self._application,
                    self._config,
                    self._context,
                    ConnectionState({}),
                    connection,  # type: ignore[arg-type]
                )
            except Exception:
                # It must not take all others along.
                _log.warning("a connection failed", exc_info=True)
            finally:
                connection.drop()
                self._open.discard(connection)
                self._tally.connections -= 1
                self._left.set()
                self._left = trio.Event()

    async def _refuse(self, stream: trio.SocketStream, status: int, phrase: str) -> None:
        """Say so to those who can be told without much ado, and close."""
        self._tally.answers[status] += 1
        self._refusing += 1
        head = f"HTTP/1.1 {status} {phrase}\r\nRetry-After: {_RETRY_SECONDS}\r\nContent-Length: 0\r\n"
        try:
            if self._refusing <= _REFUSING_AT_ONCE:
                with trio.move_on_after(_REFUSING_SECONDS):
                    await stream.send_all(f"{head}Connection: close\r\n\r\n".encode())
                    await stream.send_eof()
                    # Closing while the other end still sends would make it lose what it has not read.
                    while await stream.receive_some(MAX_HEADER_BYTES):
                        pass
        except trio.BrokenResourceError:
            pass  # it has gone
        finally:
            self._refusing -= 1
            stream.socket.close()


async def listen(endpoint: Endpoint) -> Sequence[trio.SocketListener]:
    """Take ``endpoint``; at all addresses, IPv4 and IPv6 have a listener each.

    Raises:
        AddressUnavailable: it cannot be had.
    """
    try:
        return await trio.open_tcp_listeners(endpoint.port, host=endpoint.host or None)
    except (OSError, UnicodeError) as error:
        cause = error if getattr(error, "strerror", None) else error.__cause__
        raise AddressUnavailable(
            f"cannot listen at {endpoint}: {getattr(cause, 'strerror', None) or error}",
            hint="give another --listen; :0 takes any port that is free",
        ) from None


def bound_to(listeners: Sequence[trio.SocketListener]) -> list[Endpoint]:
    """Where ``listeners`` are, with ports resolved."""
    return [Endpoint(*listener.socket.getsockname()[:2]) for listener in listeners]
