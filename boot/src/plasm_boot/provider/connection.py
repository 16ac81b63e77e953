"""One connection: HTTP/1.1 by Hypercorn's protocol, over a socket whose other end has to keep up.

Hypercorn's own connection bounds neither what it reads at once nor the time in which a client has to take what it is
sent, shields that sending from being cancelled, lets clients change to HTTP/2, in which they can hold back what is sent
to them in ways that no socket shows, and answers nobody who has said that nothing more will come.  Not so here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio
from h11 import LocalProtocolError, Request
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState

HEADER_SECONDS: Final = 10.0
"""Within it, a request has to be complete, from the connection's beginning or the end of the last answer."""
SENDING_SECONDS: Final = 30.0
"""Within it, a client has to take a piece of what it is sent: :data:`~.application.CHUNK_BYTES` at most."""
QUIET_SECONDS: Final = SENDING_SECONDS + HEADER_SECONDS
"""After it, a connection on which nothing is sent ends, whatever the reason."""
MAX_HEADER_BYTES: Final = 8192
_LINGERING_SECONDS: Final = 1.0


def configuration() -> Config:
    """How Hypercorn is to speak."""
    config = Config()
    config.include_server_header = False
    config.h11_max_incomplete_size = MAX_HEADER_BYTES
    return config


class HttpConnection:
    """A client's connection, until :meth:`run` returns; ``rested`` is called whenever it has become idle."""

    def __init__(
        self, stream: trio.SocketStream, application: AppWrapper, config: Config, rested: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._application = application
        self._config = config
        self._rested = rested
        self._scope = trio.CancelScope()
        self._sending = trio.Lock()
        self.is_idle = True
        """Whether no request has come that is not answered."""
        self._is_ended = False

    async def run(self) -> None:
        """Answer requests until the other end, or :meth:`drop`, or the time ends it."""
        try:
            with self._scope:
                self._wait_only(HEADER_SECONDS)
                async with TaskGroup() as tasks:
                    try:
                        await self._speak(tasks)
                    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                        self._scope.cancel()
        except* LocalProtocolError:
            pass  # an answer to what has turned out to be no request
        finally:
            self._stream.socket.close()

    def drop(self) -> None:
        """Close it at once, whatever is under way."""
        self._stream.socket.close()
        self._scope.cancel()

    async def _speak(self, tasks: TaskGroup) -> None:
        client, server = (name[:2] for name in (self._stream.socket.getpeername(), self._stream.socket.getsockname()))
        self._protocol = _Http1(
            self._application,
            self._config,
            WorkerContext(None),
            tasks,
            ConnectionState({}),
            False,
            client,
            server,
            self._heed,
        )
        more = True
        while more:
            # No more at once than a request may have, for the protocol bounds only those of which a part is missing.
            data = bytes(await self._stream.receive_some(MAX_HEADER_BYTES))
            more = data != b""
            # Nothing is the end of what it asks, not of what it is sent: the protocol says when that is over.
            if not self._is_ended:
                await self._protocol.handle(RawData(data))

    async def _heed(self, event: Event) -> None:
        """Do what the protocol says."""
        if isinstance(event, RawData):
            await self._send(event.data)
        elif isinstance(event, Updated):
            self.is_idle = event.idle
            self._wait_only(HEADER_SECONDS if event.idle else QUIET_SECONDS)
            if event.idle:
                self._rested()
        elif isinstance(event, Closed) and not self._is_ended:
            self._is_ended = True
            # Closing while the other end still sends would make it lose what it has not read.
            try:
                async with self._sending:
                    await self._stream.send_eof()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.drop()  # the other end did not wait for it
            self._wait_only(_LINGERING_SECONDS)
            await self._protocol.handle(Closed())

    async def _send(self, data: bytes) -> None:
        try:
            # Whoever answers sends, and so does whoever reads: that a client may go on, or what is wrong.
            async with self._sending:
                self._wait_only(QUIET_SECONDS)
                with trio.fail_after(SENDING_SECONDS):
                    await self._stream.send_all(data)
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError):
            # There is nobody to tell: what answers is cancelled with the rest.
            self.drop()

    def _wait_only(self, seconds: float) -> None:
        self._scope.deadline = trio.current_time() + seconds


class _Http1(H11Protocol):
    """Hypercorn's, without the way out of it."""

    async def _check_protocol(self, event: Request) -> None:
        """Change to nothing: who asks for HTTP/2 is answered as everybody is."""
