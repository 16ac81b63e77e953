"""Providers that answer slowly, but never so slowly that they fail: they hold up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest

pytest.importorskip("plasm_boot")

from attrs import evolve
from boot.fetched import ARTIFACTS, GENUINE, PATIENT, contents, search
from boot.published import NOW, WANTED, Heard, HostileServer, Publisher, Shown, serving, until

from boot import published
from plasm_boot.errors import NoProvider
from plasm_boot.fetching.downloads import download
from plasm_boot.fetching.search import Search
from plasm_boot.fetching.store import ArtifactStore
from plasm_boot.trust.verification import TrustedRepository


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = Publisher(tmp_path / "publisher")
    made.publish()
    return made


@pytest.fixture
def provider(publisher: Publisher) -> Iterator[Callable[[], HostileServer]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(serving(publisher.files()))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


class Unanswering(Shown):
    """A source that gives nothing before all of its kind are ``released``; ``asked`` are those who were asked."""

    released = threading.Event()
    asked: ClassVar[list[str]] = []

    def read(self, path: str, limit: int) -> bytes | None:
        self.asked.append(self.name)
        self.released.wait(30)
        return super().read(path, limit)


@pytest.fixture
def unanswering() -> Iterator[type[Unanswering]]:
    class Made(Unanswering):
        released = threading.Event()
        asked: ClassVar[list[str]] = []

    yield Made
    Made.released.set()


def test_the_slow_keep_nobody_from_being_asked(publisher: Publisher, unanswering: type[Unanswering]) -> None:
    strangers = [unanswering({}, f"stranger {number}") for number in range(6)]
    honest = Shown(publisher.files(), "honest")
    found = search(publisher, *strangers, honest, at_once=2, turn=0.01, grace=0.01)
    assert found.sources == (honest,)


def test_ever_so_many_slow_strangers_are_asked_no_more_than_so_many_at_a_time(
    publisher: Publisher, unanswering: type[Unanswering]
) -> None:
    asking = Search(TrustedRepository(publisher.root), *WANTED, now=NOW, turn=0.001, grace=0.01)
    for number in range(100):
        asking.offer(unanswering({}, f"stranger {number}"))
    honest = Shown(publisher.files(), "honest")
    asking.offer(honest)
    asking.close()
    assert until(lambda: len(unanswering.asked) == 64)
    with pytest.raises(NoProvider, match="stranger 0 has not answered yet"):
        asking.wait(0.1)
    assert len(unanswering.asked) == 64
    unanswering.released.set()
    assert asking.wait(30).sources == (honest,)


@pytest.mark.parametrize("slow", [1, 4])
def test_a_source_with_nothing_to_do_goes_on_with_what_slow_ones_have_begun(
    publisher: Publisher, provider: Any, store: ArtifactStore, slow: int
) -> None:
    heard, dripping, honest = Heard(), [provider() for _ in range(slow)], provider()
    for server in dripping:
        server.lies = {publisher.path_of(name): published.drips for name in ARTIFACTS}
    found = search(publisher, honest.source())
    found = evolve(found, sources=tuple(server.source(PATIENT) for server in (*dripping, honest)))
    assert contents(download(found, store, report=heard, measured_over=0.2)) == GENUINE
    assert {heard.given[name] for name in ARTIFACTS} == {honest.url}
    assert heard.refusals == []
    continued = [each for each in honest.requests if (each[1] or "").startswith("bytes=")]
    assert len(continued) == min(slow, len(ARTIFACTS))


def test_sources_that_are_equally_slow_do_not_take_turns(
    publisher: Publisher, provider: Any, store: ArtifactStore
) -> None:
    servers, path = [provider(), provider()], publisher.path_of("rootfs")

    def comes_in_three_seconds(handler: published.Handler, path: str) -> None:
        data = handler.server.files[path]
        begin = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        handler.send_response(206 if begin else 200)
        handler.send_header("Content-Length", str(len(data) - begin))
        handler.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        handler.end_headers()
        for start in range(begin, len(data), len(data) // 60):
            handler.wfile.write(data[start : start + len(data) // 60])
            handler.server.released.wait(0.05)

    for server in servers:
        server.lies[path] = comes_in_three_seconds
    found = search(publisher, servers[0].source())
    found = evolve(found, sources=tuple(server.source(PATIENT) for server in servers))
    assert contents(download(found, store, measured_over=0.2)) == GENUINE
    asked = [each for server in servers for each in server.requests if each[0] == path]
    assert 2 <= len(asked) <= 5
