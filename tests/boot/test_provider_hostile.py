"""Clients that are slow, greedy or mad: each costs little, and none of them hinders the others or the end."""

from __future__ import annotations

import errno
import json
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import ifaddr
import pytest

pytest.importorskip("plasm_boot")

from boot.provided import CONTENT, Repository, Served, hear, repository, serving

from plasm.errors import InvalidInput, UnreadableInput
from plasm.ops.log import Log
from plasm_boot.provider import connection as connection_module
from plasm_boot.provider import provider as provider_module
from plasm_boot.provider.addresses import HostPort, announced, reached_at
from plasm_boot.provider.provider import Provider
from plasm_boot.provider.throttling import MAX_REMEMBERED, TokenBuckets, client_of

pytestmark = pytest.mark.once

LARGE = 2**26
"""More bytes than the buffers of two sockets take."""


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return repository(tmp_path / "repo")


def request(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: here", *headers, "", ""]).encode("latin-1")


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the other end closes, in whatever way."""
    received = b""
    try:
        while piece := connection.recv(2**20):
            received += piece
    except ConnectionError:
        pass
    return received


def connections(served: Served) -> int:
    return int(json.loads(served.get("/status").body)["connections"])


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        pass


def test_headers_that_trickle_in_are_not_waited_for(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEADER_SECONDS", 0.3)
    with serving(repo.path) as served, served.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        connection.settimeout(0.02)
        until(lambda: not takes_more(connection, b"X: y\r\n"))
        assert served.get("/health").status == 200


def takes_more(connection: socket.socket, data: bytes) -> bool:
    """Whether the other end is still there when more is sent and nothing comes."""
    try:
        connection.sendall(data)
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


@pytest.mark.parametrize(
    "said",
    [
        request("/health", "X-Large: " + "x" * 20_000),
        request("/" + "x" * 20_000),
        request("/health", *(f"X-{number}: y" for number in range(3000))),
    ],
    ids=["header", "path", "headers"],
)
def test_large_headers_are_refused(repo: Repository, said: bytes) -> None:
    with serving(repo.path) as served, served.connect() as connection:
        connection.sendall(said)
        assert rest_of(connection).startswith(b"HTTP/1.1 431 ")
        assert served.get("/health").status == 200


def test_clients_that_reset_at_any_moment_hinder_nobody(repo: Repository) -> None:
    whole = (request("/health"), request("/health") * 2, request("/health", "Connection: close"))
    started = (b"", b"GET /hea", *whole, b"GET /health HTTP/1.0\r\n\r\n", b"\0\r\n\r\n")
    with serving(repo.path) as served:
        for said in started * 50:
            with served.connect() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset on close
                connection.sendall(said)
        assert served.get("/health").status == 200
        until(lambda: connections(served) == 1)
        assert "warning" not in served.log.getvalue()


@pytest.mark.parametrize(
    "said",
    [
        b"\0" * 100 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 300 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /heal\0th HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: here\r\nContent-Length: -1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    ],
)
def test_what_is_no_request_is_turned_away(repo: Repository, said: bytes) -> None:
    with serving(repo.path) as served:
        with served.connect() as connection:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            assert b"HTTP/1.1 200" not in rest_of(connection)
        assert served.get("/health").status == 200
        assert "Traceback" not in served.log.getvalue()


def test_requests_in_one_packet_are_answered_one_after_the_other(repo: Repository) -> None:
    with serving(repo.path) as served, served.connect() as connection:
        connection.sendall(
            request("/health") + request(f"/artifacts/{repo.artifact}") + request("/no", "Connection: close")
        )
        received = rest_of(connection)
    first, second, third = received.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200")
    assert second.endswith(b"\r\n\r\n" + CONTENT)
    assert third.startswith(b"404")


@pytest.mark.parametrize("header", ["Content-Length: 1000000000", "Transfer-Encoding: chunked"])
def test_bodies_are_not_taken(repo: Repository, header: str) -> None:
    with serving(repo.path) as served, served.connect() as connection:
        connection.sendall(request("/health", header))
        assert rest_of(connection).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_not_allowed(repo: Repository, method: str) -> None:
    with serving(repo.path) as served:
        answer = served.get(f"/artifacts/{repo.artifact}", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_neither_websockets_nor_http_2_are_spoken(repo: Repository) -> None:
    upgrade = ("Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    with serving(repo.path) as served:
        with served.connect() as connection:
            connection.sendall(request("/health", "Upgrade: websocket", *upgrade))
            assert rest_of(connection).startswith(b"HTTP/1.1 403 ")
        with served.connect() as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert rest_of(connection).startswith(b"HTTP/1.1 505 ")
        until(lambda: connections(served) == 1)


def test_who_offers_to_change_to_http_2_is_answered_as_everybody(repo: Repository) -> None:
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    with serving(repo.path) as served, served.connect() as connection:
        for _ in range(2):
            connection.sendall(request("/health", *offer))
            answer = hear(connection)
            assert (answer.status, answer.body) == (200, b"ok\n")


@pytest.mark.parametrize("asked", [1, 2])
def test_who_has_asked_all_that_it_will_is_still_answered(repo: Repository, asked: int) -> None:
    size = 2**24
    large = repo.add(bytes(size))
    with serving(repo.path) as served, served.connect() as connection:
        connection.sendall(request(f"/artifacts/{large}") * asked)
        connection.shutdown(socket.SHUT_WR)
        received = rest_of(connection)
        assert received.count(b"HTTP/1.1 200 ") == asked
        assert len(received) > asked * size
        until(lambda: connections(served) == 1)


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """This process cannot open anything; what is open, it may still poll, one at a time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_that_cannot_be_opened_now_is_not_said_to_be_missing(repo: Repository) -> None:
    with serving(repo.path) as served, served.connect() as connection:
        connection.sendall(request("/health"))
        assert hear(connection).status == 200
        with no_more_descriptors():
            connection.sendall(request(f"/artifacts/{repo.artifact}"))
            refused = hear(connection)
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) > 0
        connection.sendall(request(f"/artifacts/{repo.artifact}"))
        assert hear(connection).body == CONTENT


def test_what_cannot_be_looked_at_now_stays_as_it_was(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "LOOK_SECONDS", 0.01)
    with serving(repo.path, listen=HostPort("0.0.0.0", 0)) as served:
        systems = json.loads(served.get("/status").body)["systems"]
        monkeypatch.setattr(ifaddr, "get_adapters", out_of_descriptors)
        until(lambda: "addresses cannot be listed" in served.log.getvalue())
        with no_more_descriptors():
            until(lambda: "repo cannot be read" in served.log.getvalue())
        assert json.loads(served.get("/status").body)["systems"] == systems != []


def out_of_descriptors() -> NoReturn:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_client_that_reads_nothing_loses_its_place(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "SENDING_SECONDS", 0.3)
    large = repo.add(bytes(LARGE))
    with serving(repo.path) as served, served.connect() as idle:
        idle.sendall(request(f"/artifacts/{large}"))
        until(lambda: connections(served) == 1)
        assert len(rest_of(idle)) < LARGE


def test_one_client_gets_so_many_connections(repo: Repository) -> None:
    with serving(repo.path, connections_per_client=2) as served:
        with served.connect() as one, served.connect() as other:
            for connection in (one, other):
                connection.sendall(request("/health"))
                assert hear(connection).status == 200
            refused = served.get("/health")
            assert refused.status == 429
            assert int(refused.headers["retry-after"]) > 0
        until(lambda: served.get("/health").status == 200)


def test_a_full_provider_says_so(repo: Repository) -> None:
    with serving(repo.path, connections=1) as served:
        with served.connect() as connection:
            connection.sendall(request("/health"))
            assert hear(connection).status == 200
            refused = served.get("/health")
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) > 0
        until(lambda: served.get("/health").status == 200)


def test_one_client_gets_so_many_answers_in_a_minute(repo: Repository) -> None:
    with serving(repo.path, requests_per_minute=3) as served:
        assert [served.get("/health").status for _ in range(3)] == [200, 200, 200]
        refused = served.get(f"/artifacts/{repo.artifact}")
        assert refused.status == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 20


def test_a_client_that_goes_away_leaves_nothing_open(repo: Repository) -> None:
    large = repo.add(bytes(LARGE))
    with serving(repo.path) as served:
        served.get("/health")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            with served.connect() as connection:
                connection.sendall(request(f"/artifacts/{large}"))
                assert connection.recv(1000)
        until(lambda: connections(served) == 1)
        until(lambda: len(os.listdir("/proc/self/fd")) <= before)
        assert "warning" not in served.log.getvalue()


def test_a_stop_lets_what_is_being_sent_be_finished(repo: Repository) -> None:
    large = repo.add(os.urandom(2**24))
    with serving(repo.path) as served, served.connect() as connection, served.connect() as idle:
        idle.sendall(request("/health"))
        assert hear(idle).status == 200
        connection.sendall(request(f"/artifacts/{large}"))
        received = connection.recv(1000)
        served.begin_to_stop()
        assert idle.recv(1) == b""
        until(lambda: refuses(served))
        received += rest_of(connection)
        served.wait_for_the_end()
    assert received.partition(b"\r\n\r\n")[2] == (repo.path / "artifacts" / large).read_bytes()
    assert [json.loads(line)["event"] for line in served.log.getvalue().splitlines()] == [
        "listening",
        "draining",
        "stopped",
    ]


def refuses(served: Served) -> bool:
    try:
        served.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_what_a_stop_cuts_off_is_resumed_after_the_next_start(repo: Repository) -> None:
    content = os.urandom(LARGE)
    path = f"/artifacts/{repo.add(content)}"
    with serving(repo.path, grace=0.1) as served, served.connect() as connection:
        connection.sendall(request(path))
        until(lambda: connections(served) == 2)
        served.begin_to_stop()
        served.wait_for_the_end()
        head, _, begun = rest_of(connection).partition(b"\r\n\r\n")
    assert 0 < len(begun) < len(content)
    (etag,) = (line.partition(b": ")[2].decode() for line in head.split(b"\r\n") if line.startswith(b"etag:"))
    with serving(repo.path) as served:
        answer = served.get(path, Range=f"bytes={len(begun)}-", If_Range=etag)
    assert answer.status == 206
    assert begun + answer.body == content


def test_a_bucket_of_requests_fills_again() -> None:
    now = 100.0
    buckets = TokenBuckets(60, lambda: now)
    assert [buckets.wait("a") for _ in range(60)] == [0.0] * 60
    assert buckets.wait("a") == pytest.approx(1.0)
    assert buckets.wait("b") == 0
    now += 1.5
    assert buckets.wait("a") == 0
    assert buckets.wait("a") == pytest.approx(0.5)
    for number in range(2 * MAX_REMEMBERED):
        buckets.wait(str(number))
    assert len(buckets._left) == MAX_REMEMBERED


def test_a_client_of_ipv6_is_its_whole_network() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff") != client_of("2001:db8:0:1::1")
    assert client_of("192.0.2.7") == client_of("::ffff:192.0.2.7") != client_of("192.0.2.8")
    assert client_of("fe80::1%lo") == client_of("fe80::2")


@pytest.mark.parametrize(
    "text",
    ["", ":", "8380", "a:b", ":65536", "::1:80", "[::1]", "[::1]:", "[a]:80", "[::1%lo]:80", ":" + "1" * 5000],
    ids=lambda text: text[:20],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="HOST:PORT"):
        HostPort.parse(text)


@pytest.mark.parametrize(
    "url",
    ["", "192.0.2.7", "https://192.0.2.7", "http://", "http://192.0.2.7/repo", "http://192.0.2.7:0", "http://[::1",
     "http://192.0.2.7:x", "http://192.0.2.7?x", "http://me@192.0.2.7", "ftp://192.0.2.7"],
)  # fmt: skip
def test_what_cannot_be_announced_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be announced"):
        announced(url)


def test_urls_are_announced_as_endpoints() -> None:
    assert announced("http://192.0.2.7/") == (HostPort("192.0.2.7", 80),)
    assert announced("http://[2001:db8::7]:8380")[0].multiaddress == "/ip6/2001:db8::7/tcp/8380/http"


def test_all_addresses_means_those_that_others_reach() -> None:
    reached = reached_at([HostPort("0.0.0.0", 8380), HostPort("::", 8380)])
    assert all(endpoint.port == 8380 for endpoint in reached)
    assert not {"0.0.0.0", "::"} & {endpoint.host for endpoint in reached}
    assert reached_at([HostPort("127.0.0.1", 1)]) == (HostPort("127.0.0.1", 1),)


@pytest.mark.parametrize(
    ("addresses", "reached"),
    [
        (["127.0.0.1", "169.254.3.4", "192.0.2.7"], ["192.0.2.7"]),
        (["127.0.0.1", "169.254.3.4", "2001:db8::7", "fe80::1"], ["169.254.3.4", "2001:db8::7"]),
        (["127.0.0.1", "169.254.3.4", "::1", "fe80::1"], ["169.254.3.4"]),
        (["127.0.0.1", "::1"], ["127.0.0.1", "::1"]),
    ],
)
def test_a_link_local_address_is_better_than_none(
    addresses: list[str], reached: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ips = [ifaddr.IP((text, 0, 0) if ":" in text else text, 16, "cable") for text in addresses]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [ifaddr.Adapter("cable", "cable", ips)])
    everywhere = reached_at([HostPort("0.0.0.0", 8380), HostPort("::", 8380)])
    assert [endpoint.host for endpoint in everywhere] == reached


def test_a_provider_needs_a_repository(tmp_path: Path) -> None:
    from boot.provided import settings

    with pytest.raises(UnreadableInput, match="no folder"):
        Provider(settings(tmp_path / "missing"), Log())
    with pytest.raises(InvalidInput, match="is not a repository"):
        Provider(settings(tmp_path), Log())
