"""One provider behind HTTP: what it has is read, and every way in which it can fail or cheat has an end and a name."""

from __future__ import annotations

import errno
import io
import socket
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("plasm_boot")

from boot.published import HURRIED, HostileServer, serving

from boot import published
from plasm.errors import InvalidInput
from plasm_boot.errors import SourceFailed
from plasm_boot.fetching.http import HttpSource, Patience

CONTENT = bytes(range(256)) * 4000
SIZE = len(CONTENT)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with serving({"file": CONTENT, "a b/ü": b"odd", "empty": b""}) as made:
        yield made


def test_a_file_is_read(server: HostileServer) -> None:
    assert server.source().read("file", SIZE) == CONTENT


def test_many_files_are_read_one_after_the_other(server: HostileServer) -> None:
    source = server.source()
    assert all(source.read("file", SIZE) == CONTENT for _ in range(200))


def test_names_are_quoted(server: HostileServer) -> None:
    server.files["a%20b/%C3%BC"] = b"odd"
    assert server.source().read("a b/ü", 10) == b"odd"


def test_an_empty_file_is_not_a_missing_one(server: HostileServer) -> None:
    assert server.source().read("empty", 10) == b""
    assert server.source().read("nothing", 10) is None


def test_a_file_is_downloaded_with_its_progress(server: HostileServer) -> None:
    into, seen = io.BytesIO(), [0]
    server.source().download("file", SIZE, into, progress=seen.append)
    assert into.getvalue() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == SIZE


def test_a_download_is_continued_where_it_stopped(server: HostileServer) -> None:
    source, into = server.source(), io.BytesIO()
    server.lies["file"] = published.breaks_off
    with pytest.raises(SourceFailed, match=r"ended after|is not to be had"):
        source.download("file", SIZE, into)
    half = len(into.getvalue())
    assert half == SIZE // 2
    server.lies.clear()
    source.download("file", SIZE, into)
    assert into.getvalue() == CONTENT
    assert server.requests[-1][1] == f"bytes={half}-"


def test_a_provider_that_resumes_nothing_is_heard_from_the_beginning(server: HostileServer) -> None:
    into = io.BytesIO(CONTENT[:1000])
    server.lies["file"] = lambda handler, path: handler.answer(200, CONTENT)
    server.source().download("file", SIZE, into)
    assert into.getvalue() == CONTENT


def test_the_continuation_is_asked_of_the_same_file(server: HostileServer) -> None:
    source, into = server.source(), io.BytesIO()

    def breaks_off_tagged(handler: published.Handler, path: str) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(SIZE))
        handler.send_header("ETag", '"first"')
        handler.end_headers()
        handler.wfile.write(CONTENT[:5000])
        handler.close_connection = True

    server.lies["file"] = breaks_off_tagged
    with pytest.raises(SourceFailed):
        source.download("file", SIZE, into)
    server.lies.clear()
    with pytest.raises(SourceFailed, match="changed while it was downloaded"):
        source.download("file", SIZE, into)
    assert server.requests[-1][1:] == ("bytes=5000-", '"first"')


def test_a_complete_file_is_not_asked_for(server: HostileServer) -> None:
    server.source().download("file", SIZE, io.BytesIO(CONTENT))
    assert server.requests == []


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1])
def test_a_file_of_another_size_is_refused_before_it_is_read(server: HostileServer, size: int) -> None:
    into = io.BytesIO()
    with pytest.raises(SourceFailed, match=f"file from {server.url} has {SIZE} bytes, not {size}"):
        server.source().download("file", size, into)
    assert into.getvalue() == b""


def test_a_shorter_file_is_not_continued(server: HostileServer) -> None:
    server.lies["file"] = lambda handler, path: handler.answer(416, b"")
    with pytest.raises(SourceFailed, match="is shorter than"):
        server.source().download("file", SIZE, io.BytesIO(CONTENT[:1000]))


@pytest.mark.parametrize(
    "content_range", ["bytes 0-9/1024000", "bytes 1000-1023999/1024001", "bytes */1024000", "", "x"]
)
def test_a_continuation_from_elsewhere_is_refused(server: HostileServer, content_range: str) -> None:
    body = CONTENT[1000:]
    server.lies["file"] = lambda handler, path: handler.answer(206, body, {"Content-Range": content_range})
    into = io.BytesIO(CONTENT[:1000])
    with pytest.raises(SourceFailed):
        server.source().download("file", SIZE, into)
    assert into.getvalue() == CONTENT[:1000]


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (published.never_ends, "is longer than"),
        (published.says_nothing, "stalls"),
        (published.stops_halfway, "stalls"),
        (published.drips, "stalls"),
        (published.drips_its_head, "is not to be had|stalls"),
        (published.breaks_off, "ended after|is not to be had"),
        (published.compresses, "is encoded as 'gzip'"),
        (published.sends_chunks, "is sent in chunks"),
        (published.leads_elsewhere, "leads to another host"),
        (published.leads_in_circles, "is redirected again and again"),
        (published.is_broken, "answers with status 500"),
        (published.speaks_another_language, "is not to be had"),
    ],
)
@pytest.mark.parametrize("operation", ["read", "download"])
def test_a_provider_that_cheats_fails_in_time_and_by_name(
    server: HostileServer, lie: Callable[[published.Handler, str], None], said: str, operation: str
) -> None:
    server.lies["file"] = lie
    source = server.source()
    with pytest.raises(SourceFailed, match=f"^file from {server.url} ({said})"):
        source.read("file", SIZE) if operation == "read" else source.download("file", SIZE, io.BytesIO())


def test_an_endless_file_costs_no_more_than_it_should_have(server: HostileServer) -> None:
    server.lies["file"] = published.never_ends
    into = io.BytesIO()
    with pytest.raises(SourceFailed):
        server.source().download("file", SIZE, into)
    assert len(into.getvalue()) <= SIZE
    assert server.hung_up.wait(10)


def test_a_full_disk_is_not_the_provider_s_failure(server: HostileServer) -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        server.source().download("file", SIZE, Full())


def test_a_small_file_is_awaited_no_longer_than_it_is_worth_at_whatever_rate_it_comes(server: HostileServer) -> None:
    server.lies["file"] = published.drips
    source = HttpSource(server.url, Patience(minimum_rate=1, whole=0.3))
    with pytest.raises(SourceFailed, match=f"file from {server.url} takes longer than 0.3 seconds"):
        source.read("file", SIZE)


def test_what_is_announced_as_too_long_is_not_read(server: HostileServer) -> None:
    server.lies["file"] = published.announces_too_much
    with pytest.raises(SourceFailed, match="is longer than 100 bytes"):
        server.source().read("file", 100)


def test_a_redirect_on_the_same_host_is_followed(server: HostileServer) -> None:
    server.lies["old"] = lambda handler, path: handler.answer(301, b"", {"Location": "/file"})
    assert server.source().read("old", SIZE) == CONTENT


def test_nobody_at_the_address_is_said() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        with pytest.raises(SourceFailed, match=f"x from {url} is not to be had: Connection refused"):
            HttpSource(url, HURRIED).read("x", 1)


def test_a_machine_without_a_name_is_said() -> None:
    with pytest.raises(SourceFailed, match="is not to be had"):
        HttpSource("http://nobody.invalid/", HURRIED).read("x", 1)


@pytest.mark.parametrize(
    "url", ["", "ftp://a/", "http://", "http://[", "http://a:99999/", "http://a:0/", "http://a/ b"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        HttpSource(url)
