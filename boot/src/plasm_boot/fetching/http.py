"""A repository behind HTTP (RFC 9110), asked with patience that ends.

Every wait is bounded: for a connection, for an answer's head as a whole, and for its body by a lowest rate.  What is
too long is not read further than one byte beyond what was expected.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from socket import SHUT_RDWR
from typing import Any, BinaryIO, Final
from urllib.parse import quote, urljoin, urlsplit

import urllib3
from attrs import frozen
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from plasm.errors import InvalidInput
from plasm_boot.errors import SourceFailed

_CHUNK: Final = 256 * 1024
_REDIRECTS: Final = 4
_REDIRECTING: Final = (301, 302, 303, 307, 308)
_ABSENT: Final = (403, 404, 410)
_LENGTH: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15})", re.ASCII)


@frozen
class Patience:
    """How long a provider may take, in seconds, and how slow it may be.

    ``silence`` bounds the wait for the whole head of an answer, and for each piece of its body; of the body at least
    ``minimum_rate`` bytes a second must come, on average over ``rate_over`` seconds.  What is read whole is small: no
    piece of it may come after ``whole`` seconds.
    """

    connect: float = 10.0
    silence: float = 20.0
    minimum_rate: int = 1024
    rate_over: float = 20.0
    whole: float = 20.0


class HttpSource:
    """The repository at ``url``.  Threads may share one.

    Raises:
        InvalidInput: not an address that begins with ``http://`` or ``https://``.
    """

    def __init__(self, url: str, patience: Patience = Patience()) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or not url.isprintable() or " " in url:
            raise InvalidInput(f"{url!r:.200} is not the address of a provider", hint="it begins with http://")
        self.name = url if url.endswith("/") else f"{url}/"
        self._patience = patience
        self._etags: dict[str, str] = {}

    def read(self, path: str, limit: int) -> bytes | None:
        """As :meth:`RepositorySource.read <plasm_boot.sources.RepositorySource.read>`."""
        end = time.monotonic() + self._patience.whole
        with self._failing(path), self._get(path) as response:
            if response.status in _ABSENT:
                return None
            self._require(response.status == HTTPStatus.OK, path, f"answers with status {response.status}")
            announced = _length(response)
            self._require(announced is None or announced <= limit, path, f"is longer than {limit} bytes")
            data = bytearray()
            for chunk in self._body(path, response, limit + 1):
                data += chunk
                self._require(time.monotonic() < end, path, f"takes longer than {self._patience.whole:g} seconds")
            self._require(len(data) <= limit, path, f"is longer than {limit} bytes")
            self._require(announced in (None, len(data)), path, f"ended after {len(data)} of {announced} bytes")
            return bytes(data)

    def download(
        self, path: str, size: int, into: BinaryIO, *, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """As :meth:`RepositorySource.download <plasm_boot.sources.RepositorySource.download>`.

        A provider that does not resume is heard from the beginning, and what is there already is passed over.
        """
        done = into.seek(0, os.SEEK_END)
        if done >= size:
            return
        # Written out here, beyond what counts as the provider's failure: a full disk is none.
        with closing(self._missing(path, done, size)) as missing:
            for chunk in missing:
                into.write(chunk)
                done += len(chunk)
                progress(done)

    def _missing(self, path: str, done: int, size: int) -> Generator[bytes, None, None]:
        """The file from its byte ``done`` on, in pieces as they come."""
        with self._failing(path), self._get(path, done) as response:
            skip = self._begin(path, response, done, size)
            for chunk in self._body(path, response, size - done + skip + 1):
                passed = min(skip, len(chunk))
                skip -= passed
                fresh = chunk[passed:]
                done += len(fresh)
                self._require(done <= size, path, f"is longer than {size} bytes")
                yield fresh
            self._require(done == size, path, f"ended after {done} of {size} bytes")

    def _begin(self, path: str, response: urllib3.BaseHTTPResponse, done: int, size: int) -> int:
        """How many bytes at the beginning of the body are there already; checks what the head says of the file."""
        self._require(response.status not in _ABSENT, path, "is not there")
        announced = _length(response)
        etag, known = response.headers.get("ETag", ""), self._etags.get(path, "")
        self._require(not done or not known or etag in ("", known), path, "changed while it was downloaded")
        if response.status == HTTPStatus.PARTIAL_CONTENT and done:
            matched = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            self._require(matched is not None and int(matched[1]) == done, path, "is not continued where it was asked")
            assert matched is not None
            self._require(int(matched[2]) == size, path, f"has {matched[2]} bytes, not {size}")
            self._require(announced in (None, size - done), path, f"is announced with {announced} bytes to come")
            skip = 0
        else:
            self._require(
                response.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, path, f"is shorter than {size} bytes"
            )
            self._require(response.status == HTTPStatus.OK, path, f"answers with status {response.status}")
            self._require(announced in (None, size), path, f"has {announced} bytes, not {size}")
            skip = done
        if etag and not etag.startswith("W/"):
            self._etags[path] = etag
        return skip

    @contextmanager
    def _get(self, path: str, start: int = 0) -> Iterator[urllib3.BaseHTTPResponse]:
        headers = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "plasm-boot"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if etag := self._etags.get(path):
                headers["If-Range"] = etag
        # A connection that is kept may be closed by the other side just then, and that would look like a failure.
        with urllib3.PoolManager(
            headers=headers,
            retries=False,
            timeout=urllib3.Timeout(connect=self._patience.connect, read=self._patience.silence),
        ) as pool:
            pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
            with self._answer(pool, path) as response:
                encoding = response.headers.get("Content-Encoding", "identity")
                self._require(encoding == "identity", path, f"is encoded as {encoding!r:.40}")
                # The line before a chunk can be dealt out for ever; a file on a server has a length.
                self._require("Transfer-Encoding" not in response.headers, path, "is sent in chunks, its length untold")
                yield response

    @contextmanager
    def _answer(self, pool: urllib3.PoolManager, path: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to a question for ``path``, after redirects on the same host."""
        url, begun = self.name + quote(path, safe="/"), time.monotonic()
        for _ in range(_REDIRECTS):
            response = pool.request("GET", url, preload_content=False, redirect=False)
            with closing(response):
                if response.status not in _REDIRECTING:
                    yield response
                    return
            there = urljoin(url, response.headers.get("Location", ""))
            same = urlsplit(there)[:2] == urlsplit(url)[:2]
            self._require(same, path, f"leads to another host, {there!r:.200}")
            in_time = time.monotonic() - begun < self._patience.silence
            self._require(in_time, path, f"stalls: it is redirected for {self._patience.silence:g} seconds")
            url = there
        self._require(False, path, "is redirected again and again")

    def _body(self, path: str, response: urllib3.BaseHTTPResponse, most: int) -> Iterator[bytes]:
        """The body in pieces as they come, ``most`` bytes of it."""
        begun, received = time.monotonic(), 0
        lowest = self._patience.minimum_rate * self._patience.rate_over
        while most > 0 and (chunk := response.read1(min(_CHUNK, most), decode_content=False)):
            yield chunk
            most -= len(chunk)
            received += len(chunk)
            if (now := time.monotonic()) - begun >= self._patience.rate_over:
                self._require(received >= lowest, path, f"stalls: {received} bytes in {now - begun:.0f} seconds")
                begun, received = now, 0

    def _require(self, holds: bool, path: str, otherwise: str) -> None:
        if not holds:
            raise SourceFailed(f"{path} from {self.name} {otherwise}", hint="ask another provider")

    @contextmanager
    def _failing(self, path: str) -> Iterator[None]:
        try:
            yield
        except urllib3.exceptions.NewConnectionError as error:
            self._require(False, path, f"is not to be had: {_cause(error)}")
        except urllib3.exceptions.ConnectTimeoutError:
            self._require(False, path, f"is not to be had: no connection within {self._patience.connect:g} seconds")
        except urllib3.exceptions.TimeoutError:
            self._require(False, path, f"stalls: no more came within {self._patience.silence:g} seconds")
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._require(False, path, f"is not to be had: {_cause(error)}")


def _length(response: urllib3.BaseHTTPResponse) -> int | None:
    value = response.headers.get("Content-Length", "")
    return int(value) if _LENGTH.fullmatch(value) else None


def _cause(error: BaseException) -> str:
    """The innermost reason: urllib3 wraps what the system said, which names objects of Python's."""
    while isinstance(error.__cause__ or error.__context__, OSError):
        error = error.__cause__ or error.__context__ or error
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error))[:200]


class _Timed:
    """A connection whose answers have a head that is complete in time, however its bytes are dealt out."""

    sock: Any
    timeout: Any

    def getresponse(self) -> Any:
        sock, late = self.sock, threading.Event()

        def end() -> None:
            late.set()
            with suppress(OSError):
                sock.shutdown(SHUT_RDWR)

        timer = threading.Timer(self.timeout, end)
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            timer.cancel()
            # A head that was cut off is taken for a short one.
            if late.is_set():
                raise TimeoutError


class _Connection(_Timed, HTTPConnection):
    pass


class _SecureConnection(_Timed, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
