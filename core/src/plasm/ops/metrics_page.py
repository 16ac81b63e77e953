"""Serves one page, ``/metrics``, over HTTP on a loopback address.

As little of HTTP/1.1 as scrapers need: one request a connection, of bounded size and within bounded time, and no more
than a few connections at once, for any user of this machine may connect.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Final, cast

import anyio
import anyio.abc
import anyio.to_thread

from plasm.errors import AddressUnavailable
from plasm.ops.accepting import accept_each
from plasm.ops.concurrency import task_group

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MAX_REQUEST_BYTES: Final = 8192
MAX_CONNECTIONS: Final = 16
_REQUEST_SECONDS: Final = 5.0
_PATH: Final = b"/metrics"


class MetricsPage:
    """The page at ``address``, as in ``127.0.0.1:9464`` or ``[::1]:9464``; ``content`` makes it each time, in a
    thread."""

    def __init__(self, address: str, content: Callable[[], bytes], content_type: str) -> None:
        self._address = address
        self._content = content
        self._content_type = content_type
        self._open = 0
        self._threads = anyio.CapacityLimiter(1)

    async def listen(self) -> tuple[anyio.abc.SocketListener, str]:
        """Take the address; whoever connects waits for :meth:`serve`.  Returns the page's URL too, the port resolved.

        Raises:
            AddressUnavailable: it cannot be listened at.
        """
        host, _, port = self._address.rpartition(":")
        bare = host.strip("[]")
        try:
            listeners = await anyio.create_tcp_listener(local_host=bare, local_port=int(port))
        except OSError as error:
            cause = error if error.strerror else error.__cause__
            raise AddressUnavailable(
                f"metrics cannot be served at {self._address}: {getattr(cause, 'strerror', None) or error}",
                hint="set another [metrics] listen, or --metrics",
            ) from None
        (listener,) = cast("Sequence[anyio.abc.SocketListener]", listeners.listeners)
        taken = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - a socket's, not Django's
        return listener, f"http://{host}:{taken}{_PATH.decode()}"

    async def serve(self, listener: anyio.abc.SocketListener) -> None:
        """Answer what comes to ``listener`` until cancelled."""
        async with listener, task_group() as tasks:
            await accept_each(listener.accept, lambda stream: tasks.start_soon(self._answer, stream), "a scraper's")

    async def _answer(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            if self._open >= MAX_CONNECTIONS:
                return
            self._open += 1
            try:
                with anyio.move_on_after(_REQUEST_SECONDS):
                    await self._answer_one(stream)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # the scraper has gone
            finally:
                self._open -= 1

    async def _answer_one(self, stream: anyio.abc.SocketStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            if len(request) > MAX_REQUEST_BYTES:
                await stream.send(_response("431 Request Header Fields Too Large"))
                return
            try:
                request += await stream.receive(MAX_REQUEST_BYTES)
            except anyio.EndOfStream:
                return
        method, _, rest = request.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if path != _PATH:
            response = _response("404 Not Found", b"The metrics are at /metrics.\n")
        elif method not in (b"GET", b"HEAD"):
            response = _response("405 Method Not Allowed", more="Allow: GET, HEAD\r\n")
        else:
            content = await anyio.to_thread.run_sync(self._content, limiter=self._threads)
            response = _response("200 OK", content, self._content_type)
        head, end, body = response.partition(b"\r\n\r\n")
        await stream.send(head + end + (b"" if method == b"HEAD" else body))
        # Closing while the other end still sends would make it lose what it has not read.
        # The socket's own error, which anyio lets through, tells of one that has been reset.
        with contextlib.suppress(anyio.EndOfStream, OSError):
            await stream.send_eof()
            await stream.receive(1)


def _response(status: str, body: bytes = b"", content_type: str = "text/plain; charset=utf-8", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}"
    return f"{head}Connection: close\r\n\r\n".encode() + body
