"""A system from many providers: the newest that verifies is found, all give parts of it, and liars are named."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plasm_boot")

from attrs import evolve
from boot.fetched import ARTIFACTS, GENUINE, PATIENT, contents, search
from boot.published import FILES, NOW, WANTED, Heard, HostileServer, Publisher, Shown, serving, until

from boot import published
from plasm.errors import UnwritableOutput
from plasm_boot.errors import NoProvider
from plasm_boot.fetching.downloads import download
from plasm_boot.fetching.folder import FolderSource
from plasm_boot.fetching.search import Found, Search
from plasm_boot.fetching.store import ArtifactStore, PartialFile
from plasm_boot.manifest import Artifact
from plasm_boot.sources import RepositorySource
from plasm_boot.trust.verification import TrustedRepository, VerifiedManifest

METADATA = ("timestamp", "snapshot", "targets", "manifest")


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = Publisher(tmp_path / "publisher")
    made.publish()
    return made


@pytest.fixture
def provider(publisher: Publisher) -> Iterator[Callable[[], HostileServer]]:
    """Makes providers of the repository as it is then."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(serving(publisher.files()))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def test_one_provider_is_enough(publisher: Publisher, provider: Any, store: ArtifactStore) -> None:
    heard, server = Heard(), provider()
    found = search(publisher, server.source(), heard=heard)
    assert contents(download(found, store, report=heard)) == GENUINE
    assert heard.given == dict.fromkeys(("manifest", *ARTIFACTS), server.url)
    assert heard.done == {name: len(data) for name, data in GENUINE.items()}
    assert heard.refusals == []


def test_different_providers_give_different_artifacts_at_once(
    publisher: Publisher, provider: Any, store: ArtifactStore
) -> None:
    heard, servers, together = Heard(), [provider() for _ in range(3)], threading.Barrier(3)

    def waits_for_the_others(handler: published.Handler, path: str) -> None:
        together.wait(10)
        handler.serve(path)

    for server in servers:
        server.lies = {publisher.path_of(name): waits_for_the_others for name in ARTIFACTS}
    found = search(publisher, *(server.source(PATIENT) for server in servers), grace=30)
    assert contents(download(found, store, report=heard)) == GENUINE
    assert {heard.given[name] for name in ARTIFACTS} == {server.url for server in servers}


@pytest.mark.parametrize("name", [*METADATA, *ARTIFACTS])
@pytest.mark.parametrize(
    "lie", [published.flips_a_bit, published.has_it_not, published.never_ends, published.says_nothing]
)
def test_of_two_providers_the_liar_is_named_and_the_other_boots(
    publisher: Publisher, provider: Any, store: ArtifactStore, name: str, lie: Any
) -> None:
    heard, liar, honest = Heard(), provider(), provider()
    liar.lies[publisher.path_of(name)] = lie
    found = search(publisher, liar.source(), honest.source(PATIENT), heard=heard, grace=30)
    assert contents(download(_asked_in_order(found, liar, honest), store, report=heard, at_once=1)) == GENUINE
    assert heard.liars == {liar.url}
    assert [what for _, what, _ in heard.refusals] == ["manifest" if name in METADATA else name]


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_wrong_artifact_is_refused_by_name_and_kept_nowhere(
    publisher: Publisher, provider: Any, store: ArtifactStore, tmp_path: Path, name: str
) -> None:
    heard, liar = Heard(), provider()
    liar.lies[publisher.path_of(name)] = published.flips_a_bit
    found = search(publisher, liar.source())
    with pytest.raises(NoProvider, match=f"{name} from {liar.url} is refused: its digest is not the signed one"):
        download(found, store, report=heard)
    for path in (tmp_path / "store").iterdir():
        assert path.name.endswith(".part") or path.name == hashlib.sha256(path.read_bytes()).hexdigest()


def test_nobody_is_asked_twice_after_a_failure(publisher: Publisher, provider: Any, store: ArtifactStore) -> None:
    liar, honest = provider(), provider()
    found = search(publisher, liar.source(), honest.source())
    liar.requests.clear()
    for name in ARTIFACTS:
        liar.lies[publisher.path_of(name)] = published.is_broken
    download(found, store)
    assert len(liar.requests) <= 1


def test_a_broken_download_is_continued_from_the_next_provider(
    publisher: Publisher, provider: Any, store: ArtifactStore
) -> None:
    heard, breaking, other = Heard(), provider(), provider()
    path = publisher.path_of("rootfs")
    breaking.lies[path] = published.breaks_off
    found = _only_rootfs(
        search(publisher, breaking.source(), other.source(), grace=30), (breaking.source(), other.source())
    )
    other.lies[path] = lambda handler, path: (until(lambda: bool(heard.refusals)), handler.serve(path))[0]
    assert contents(download(found, store, report=heard, at_once=1))["rootfs"] == FILES["rootfs.squashfs"]
    assert heard.liars == {breaking.url}
    (request,) = [each for each in other.requests if each[0] == path]
    assert request[1] == f"bytes={len(FILES['rootfs.squashfs']) // 2}-"


def test_bytes_of_several_providers_that_do_not_fit_are_fetched_anew_from_one(
    publisher: Publisher, provider: Any, store: ArtifactStore
) -> None:
    heard, breaking, honest = Heard(), provider(), provider()
    path = publisher.path_of("rootfs")

    def lies_and_breaks_off(handler: published.Handler, path: str) -> None:
        handler.server.files[path] = bytes(len(handler.server.files[path]))
        published.breaks_off(handler, path)

    breaking.lies[path] = lies_and_breaks_off
    found = _only_rootfs(search(publisher, honest.source()), (breaking.source(), honest.source()))
    assert contents(download(found, store, report=heard, at_once=1))["rootfs"] == FILES["rootfs.squashfs"]
    assert heard.liars == {breaking.url}
    ranges = [each[1] for each in honest.requests if each[0] == path]
    assert ranges == [f"bytes={len(FILES['rootfs.squashfs']) // 2}-", None]


def test_a_liar_that_continues_an_honest_download_is_the_one_that_is_named(
    publisher: Publisher, provider: Any, store: ArtifactStore
) -> None:
    heard, breaking, liar, honest = Heard(), provider(), provider(), provider()
    path = publisher.path_of("rootfs")
    breaking.lies[path] = published.breaks_off
    liar.files[path] = published.with_flipped_bit(bytes(len(liar.files[path])))
    sources = (breaking.source(), liar.source(), honest.source())
    found = _only_rootfs(search(publisher, honest.source()), sources)
    assert contents(download(found, store, report=heard, at_once=1))["rootfs"] == FILES["rootfs.squashfs"]
    assert [source for source, _, _ in heard.refusals] == [breaking.url, liar.url]
    assert "its digest is not the signed one" in heard.refusals[1][2]


def test_a_download_goes_on_after_a_restart(publisher: Publisher, provider: Any, store: ArtifactStore) -> None:
    server, path = provider(), publisher.path_of("rootfs")
    server.lies[path] = published.breaks_off
    found = search(publisher, server.source())
    with pytest.raises(NoProvider):
        download(found, store)
    server.lies.clear()
    server.requests.clear()
    assert contents(download(found, store)) == GENUINE
    (request,) = [each for each in server.requests if each[0] == path]
    assert request[1] == f"bytes={len(FILES['rootfs.squashfs']) // 2}-"


def test_what_is_in_the_store_is_not_fetched_again(publisher: Publisher, provider: Any, store: ArtifactStore) -> None:
    server = provider()
    found = search(publisher, server.source())
    download(found, store)
    server.requests.clear()
    assert contents(download(found, store)) == GENUINE
    assert server.requests == []


def test_what_is_damaged_in_the_store_is_fetched_again(
    publisher: Publisher, provider: Any, store: ArtifactStore, tmp_path: Path
) -> None:
    found = search(publisher, provider().source())
    paths = download(found, store)
    paths["kernel"].write_bytes(published.with_flipped_bit(GENUINE["kernel"]))
    paths["rootfs"].write_bytes(b"")
    assert contents(download(found, store)) == GENUINE


def test_a_damaged_beginning_in_the_store_accuses_nobody(
    publisher: Publisher, provider: Any, store: ArtifactStore, tmp_path: Path
) -> None:
    heard, found = Heard(), search(publisher, provider().source())
    digest = found.verified.manifest.rootfs.sha256
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / f"{digest}.part").write_bytes(b"rubbish")
    assert contents(download(found, store, report=heard)) == GENUINE
    assert heard.refusals == []


def test_the_store_forgets_what_is_not_needed(
    publisher: Publisher, provider: Any, store: ArtifactStore, tmp_path: Path
) -> None:
    paths = download(search(publisher, provider().source()), store)
    store.forget_all_but({paths["kernel"].name})
    assert [path.name for path in (tmp_path / "store").iterdir()] == [paths["kernel"].name]


def test_a_store_that_cannot_be_written_is_no_provider_s_fault(
    publisher: Publisher, provider: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    found = search(publisher, provider().source())
    with pytest.raises(UnwritableOutput):
        download(found, ArtifactStore(tmp_path / "file"))


def test_two_may_fetch_into_one_folder_at_once(
    publisher: Publisher, provider: Any, store: ArtifactStore, tmp_path: Path
) -> None:
    server, both, path = provider(), threading.Event(), publisher.path_of("kernel")
    found = search(publisher, server.source())

    def lets_the_other_begin(handler: published.Handler, path: str) -> None:
        data = handler.server.files[path]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        both.wait(10)
        handler.wfile.write(data[len(data) // 2 :])

    class SecondStore(ArtifactStore):
        def partial(self, artifact: Artifact) -> AbstractContextManager[PartialFile]:
            both.set()
            return super().partial(artifact)

    server.lies[path] = lets_the_other_begin
    found = evolve(found, sources=(server.source(PATIENT),))
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(download, found, store)
        assert until(lambda: bool(list((tmp_path / "store").glob("*.part"))))
        second = threads.submit(download, found, SecondStore(tmp_path / "store"))
        assert contents(first.result(30)) == contents(second.result(30)) == GENUINE
    assert len([each for each in server.requests if each[0] == path]) == 1
    assert list((tmp_path / "store").glob("*.part")) == []


def test_an_address_in_the_manifest_is_tried_too(publisher: Publisher, provider: Any, store: ArtifactStore) -> None:
    elsewhere, heard = provider(), Heard()
    found = search(publisher, FolderSource(publisher.repository))
    kernel = found.verified.manifest.kernel
    away = evolve(kernel, urls=(f"{elsewhere.url}{kernel.urls[0]}",))
    found = _with_manifest(found, evolve(found.verified.manifest, kernel=away))
    assert contents(download(found, store, report=heard)) == GENUINE
    assert heard.given["kernel"] == elsewhere.url


def test_the_newest_of_several_is_booted_and_only_its_providers_are_used(publisher: Publisher, provider: Any) -> None:
    old = provider()
    publisher.publish()
    new, too = provider(), provider()
    found = search(publisher, old.source(), new.source(), too.source())
    assert found.verified.manifest.version == 2
    assert {source.name for source in found.sources} == {new.url, too.url}


def test_providers_may_turn_up_one_by_one(publisher: Publisher) -> None:
    heard = Heard()
    asking = Search(TrustedRepository(publisher.root), *WANTED, now=NOW, report=heard, grace=30)
    asking.offer(Shown({}, "empty"))
    assert until(lambda: heard.liars == {"empty"})
    asking.offer(Shown(publisher.files(), "first"))
    assert until(lambda: "manifest" in heard.given)
    publisher.publish()
    asking.offer(Shown(publisher.files(), "second"))
    asking.close()
    assert asking.wait(30).verified.manifest.version == 2
    assert list(asking.refusals) == ["empty"]


def test_the_first_success_does_not_wait_for_the_slow_longer_than_the_grace(
    publisher: Publisher, provider: Any
) -> None:
    slow = provider()
    slow.lies[publisher.path_of("timestamp")] = published.says_nothing
    asking = Search(TrustedRepository(publisher.root), *WANTED, now=NOW, grace=0.05)
    asking.offer(slow.source(published.Patience()))
    asking.offer(FolderSource(publisher.repository))
    assert asking.wait(30).verified.source_name == str(publisher.repository)


def test_a_provider_is_asked_once_however_often_it_turns_up(publisher: Publisher, provider: Any) -> None:
    heard, server = Heard(), provider()
    search(publisher, server.source(), server.source(), heard=heard)
    assert heard.asked_of == [(server.url, "manifest")]


def test_at_most_so_many_are_asked_at_once(publisher: Publisher) -> None:
    busy, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    class Slow(Shown):
        def read(self, path: str, limit: int) -> bytes | None:
            nonlocal busy, most
            with lock:
                busy += 1
                most = max(most, busy)
                if busy == 2:
                    full.set()
            full.wait(10)
            with lock:
                busy -= 1
            return super().read(path, limit)

    search(publisher, *(Slow(publisher.files(), f"slow {number}") for number in range(8)), at_once=2)
    assert most == 2


def test_all_refusals_are_told_when_nobody_has_it(publisher: Publisher, provider: Any) -> None:
    liar = provider()
    liar.lies[publisher.path_of("snapshot")] = published.flips_a_bit
    with pytest.raises(NoProvider) as refusal:
        search(publisher, liar.source(), Shown({}, "empty"))
    assert f"from {liar.url} is refused" in refusal.value.message
    assert "empty has no metadata/timestamp.json" in refusal.value.message


def test_no_provider_at_all_is_said_in_time(publisher: Publisher) -> None:
    asking = Search(TrustedRepository(publisher.root), *WANTED, now=NOW)
    with pytest.raises(NoProvider, match="no provider was found"):
        asking.wait(0.01)


def test_expired_everywhere_is_nowhere(publisher: Publisher, provider: Any) -> None:
    with pytest.raises(NoProvider, match="it expired on"):
        search(publisher, provider().source(), FolderSource(publisher.repository), now=NOW + timedelta(days=15))


def _asked_in_order(found: Found, *servers: HostileServer) -> Found:
    order = [server.url for server in servers]
    return evolve(found, sources=tuple(sorted(found.sources, key=lambda source: order.index(source.name))))


def _only_rootfs(found: Found, sources: tuple[RepositorySource, ...]) -> Found:
    """What was found, with one artifact under all names, from these sources."""
    manifest = found.verified.manifest
    manifest = evolve(manifest, kernel=manifest.rootfs, initramfs=manifest.rootfs)
    return evolve(_with_manifest(found, manifest), sources=sources)


def _with_manifest(found: Found, manifest: Any) -> Found:
    assert json.loads(manifest.to_bytes())
    return evolve(found, verified=VerifiedManifest(manifest, manifest.to_bytes(), found.verified.source_name))
