"""The HTTP application: answers a request for a file of the repository, or for how the provider is.

ASGI, on Starlette's responses.  What HTTP means by ranges and validators is RFC 9110; what may be kept how long,
RFC 9111.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from anyio import CancelScope, to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

import plasm
from plasm_boot.provider.catalogue import Catalogue
from plasm_boot.provider.folder import Folder, OpenFile
from plasm_boot.provider.names import MAX_PATH, Name, named
from plasm_boot.provider.ranges import wanted
from plasm_boot.provider.statistics import Statistics
from plasm_boot.provider.throttling import TokenBuckets, client_of

CHUNK_BYTES: Final = 256 * 1024

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_EACH_TIME: Final = "no-cache"
_ETAG: Final = re.compile(r'(?:W/)?("[^"]*")')
_RETRY_SECONDS: Final = 5

_log = logging.getLogger(__name__)


class Application:
    """Answers requests; ``clock`` is in seconds."""

    def __init__(
        self,
        folder: Folder,
        catalogue: Catalogue,
        statistics: Statistics,
        buckets: TokenBuckets,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._statistics = statistics
        self._buckets = buckets
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See https://asgi.readthedocs.io/en/latest/specs/www.html."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif refusal := self._refusal(scope):
            await refusal(scope, receive, self._counted(send))
        else:
            await self._answer(scope, receive, self._counted(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Why this request is not looked at, if it is not."""
        headers = Headers(scope=scope)
        if not scope["http_version"].startswith("1"):
            return _said(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, {"Connection": "close"})
        if scope["method"] not in ("GET", "HEAD"):
            return _said(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD", "Connection": "close"})
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"Connection": "close"})
        if wait := self._buckets.wait(client_of(scope["client"][0])):
            return _said(HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(math.ceil(wait))})
        return None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("latin-1")
        if path == "/health":
            response: Response = PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})
        elif path == "/status":
            response = JSONResponse(self._status(), headers={"Cache-Control": "no-store"})
        elif path.startswith("/") and len(path) <= MAX_PATH + 1 and (name := named(path[1:])):
            await self._answer_with(name, scope, receive, send)
            return
        else:
            response = _said(HTTPStatus.NOT_FOUND)
        await response(scope, receive, send)

    async def _answer_with(self, name: Name, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # Opened where it cannot keep all others waiting: a disk may be slow, or far away.
            opened = await to_thread.run_sync(self._folder.open, name)
        except OSError as error:
            _log.warning("cannot open %s: %s", name.path, error.strerror)
            await _said(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(_RETRY_SECONDS)})(scope, receive, send)
            return
        if opened is None:
            await _said(HTTPStatus.NOT_FOUND)(scope, receive, send)
            return
        with opened:
            await _file(name, opened, scope)(_with_range(scope, opened, name), receive, _finished(send))

    def _status(self) -> dict[str, object]:
        return {
            "version": plasm.__version__,
            "uptime_s": round(self._clock() - self._statistics.started, 3),
            "connections": self._statistics.connections,
            "sent_bytes": self._statistics.sent_bytes,
            "responses": {str(status): count for status, count in sorted(self._statistics.answers.items())},
            "systems": [
                {"channel": each.channel, "arch": each.arch, "mode": each.mode, "version": each.version}
                for each in self._catalogue.publications
            ],
        }

    def _counted(self, send: Send) -> Send:
        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._statistics.answers[message["status"]] += 1
            self._statistics.sent_bytes += len(message.get("body", b""))
            await send(message)

        return count


class _File(FileResponse):
    chunk_size = CHUNK_BYTES


def _finished(send: Send) -> Send:
    """``send``, not to be cancelled: at the last message Hypercorn tells of a disconnection before it has closed, or
    made ready for the next request, and Starlette would cancel that when it hears of it."""

    async def finish(message: Message) -> None:
        with CancelScope(shield=True):
            await send(message)

    return finish


def _file(name: Name, opened: OpenFile, scope: Scope) -> Response:
    """The file, or that the client has it already."""
    headers = {"ETag": _etag(name, opened), "Cache-Control": _ASK_EACH_TIME if name.changes else _FOR_EVER}
    if _has_it(Headers(scope=scope).get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers["X-Content-Type-Options"] = "nosniff"
    return _File(opened.path, headers=headers, media_type=name.media_type, stat_result=opened.facts)


def _etag(name: Name, opened: OpenFile) -> str:
    """The digest of the content where the name says it; otherwise something that is another one for another file."""
    facts = opened.facts
    return f'"{name.digest or f"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"}"'


def _has_it(if_none_match: str, etag: str) -> bool:
    return if_none_match.strip() == "*" or etag in _ETAG.findall(if_none_match)


def _with_range(scope: Scope, opened: OpenFile, name: Name) -> Scope:
    """The request with the range in it that it is to have, if any; none where it is of another content."""
    headers = MutableHeaders(scope=scope)
    asked, condition = headers.get("range"), headers.get("if-range")
    del headers["range"], headers["if-range"]
    if asked is not None and scope["method"] == "GET" and condition in (None, _etag(name, opened)):
        range_ = wanted(asked, opened.facts.st_size)
        if range_ is not None:
            headers["range"] = range_
    return {**scope, "headers": headers.raw}


def _said(status: HTTPStatus, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{status.phrase}\n", status_code=status, headers=headers)
