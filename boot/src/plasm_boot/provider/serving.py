"""The sockets: who is let in, and how it ends.

Hypercorn speaks HTTP on each connection.  The accepting is ours, for Hypercorn does not bound how many there are.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import trio
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp

from plasm.errors import AddressUnavailable
from plasm.ops.accepting import accept_each
from plasm_boot.provider.addresses import HostPort
from plasm_boot.provider.connection import HttpConnection, configuration
from plasm_boot.provider.statistics import Statistics
from plasm_boot.provider.throttling import ConnectionSlots, client_of

_REFUSING_SECONDS: Final = 1.0
_REFUSING_AT_ONCE: Final = 64
_RETRY_SECONDS: Final = 5

_log = logging.getLogger(__name__)


class Server:
    """Serves ``application`` to as many clients as there are ``slots`` for."""

    def __init__(self, application: ASGIApp, slots: ConnectionSlots, statistics: Statistics) -> None:
        self._config = configuration()
        self._config.errorlog = _log
        self._application = wrap_app(application, 0, "asgi")  # type: ignore[arg-type]  # its own words for ASGI
        self._slots = slots
        self._statistics = statistics
        self._open: set[HttpConnection] = set()
        self._refusing = 0
        self._change = trio.Event()

    async def serve(self, listeners: Sequence[trio.SocketListener], stopping: trio.Event, grace: float) -> None:
        """Serve until ``stopping``; then finish what is being sent, within ``grace`` seconds, and return."""
        async with trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    for listener in listeners:
                        accepting.start_soon(self._accept, listener, connections)
                    await stopping.wait()
                    accepting.cancel_scope.cancel()
                with trio.move_on_after(grace):
                    while self._open:
                        self._drop([connection for connection in self._open if connection.is_idle])
                        await self._change.wait()
            finally:
                # Also where this is cancelled: what is being sent does not hear of it.
                self._drop(list(self._open))
                connections.cancel_scope.cancel()

    def _drop(self, connections: Sequence[HttpConnection]) -> None:
        for connection in connections:
            connection.drop()

    async def _accept(self, listener: trio.SocketListener, connections: trio.Nursery) -> None:
        async with listener:
            await accept_each(
                listener.accept, lambda stream: connections.start_soon(self._welcome, stream), "a machine that boots"
            )

    async def _welcome(self, stream: trio.SocketStream) -> None:
        try:
            client = client_of(stream.socket.getpeername()[0])
        except OSError:
            stream.socket.close()
            return
        if self._slots.crowded_by(client):
            await self._refuse(stream, 429, "Too Many Requests")
        elif self._slots.full:
            await self._refuse(stream, 503, "Service Unavailable")
        else:
            self._slots.enter(client)
            try:
                await self._serve(stream)
            finally:
                self._slots.leave(client)

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = HttpConnection(stream, self._application, self._config, self._tell_change)
        self._open.add(connection)
        self._statistics.connections += 1
        try:
            await connection.run()
        except Exception:
            # It must not take all others along.
            _log.warning("a connection failed", exc_info=True)
        finally:
            self._open.discard(connection)
            self._statistics.connections -= 1
            self._tell_change()

    def _tell_change(self) -> None:
        self._change.set()
        self._change = trio.Event()

    async def _refuse(self, stream: trio.SocketStream, status: int, phrase: str) -> None:
        """Say so to those who can be told without much ado, and close."""
        self._statistics.answers[status] += 1
        self._refusing += 1
        head = f"HTTP/1.1 {status} {phrase}\r\nRetry-After: {_RETRY_SECONDS}\r\nContent-Length: 0\r\n"
        try:
            if self._refusing <= _REFUSING_AT_ONCE:
                with trio.move_on_after(_REFUSING_SECONDS):
                    await stream.send_all(f"{head}Connection: close\r\n\r\n".encode())
                    await stream.send_eof()
                    # Closing while the other end still sends would make it lose what it has not read.
                    while await stream.receive_some():
                        pass
        except trio.BrokenResourceError:
            pass  # it has gone
        finally:
            self._refusing -= 1
            stream.socket.close()


async def listen(endpoint: HostPort) -> Sequence[trio.SocketListener]:
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


def bound_to(listeners: Sequence[trio.SocketListener]) -> list[HostPort]:
    """Where ``listeners`` are, with ports resolved."""
    return [HostPort(*listener.socket.getsockname()[:2]) for listener in listeners]
