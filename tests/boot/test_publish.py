"""plasm boot publish and refresh: readers see the state before or the state after, whatever happens in between."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plasm_boot")

from boot.published import FILES, NOW, ROOT_EXPIRES, Publisher, build_system, verify

from plasm.config import Config
from plasm.errors import InvalidInput, UnwritableOutput
from plasm_boot.errors import InvalidKeys, InvalidRepository, InvalidSystem, RootIncomplete, Untrusted
from plasm_boot.fetching.folder import FolderSource
from plasm_boot.manifest import Artifact
from plasm_boot.trust import repository as repository_module
from plasm_boot.trust.keys import KeyFolder, sign_root
from plasm_boot.trust.publishing import publish, refresh
from world import Plasm


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "publisher")


def test_the_layout_is_consistent_snapshots_and_content_by_digest(publisher: Publisher) -> None:
    publisher.publish()
    files = publisher.files()
    manifest = json.loads(files[publisher.path_of("manifest")])
    artifacts = [f"artifacts/{one['hash'].removeprefix('sha256:')}" for one in manifest["artifacts"].values()]
    names = ("1.root.json", "1.snapshot.json", "1.targets.json", "timestamp.json")
    assert sorted(files) == sorted([*artifacts, *(f"metadata/{name}" for name in names), publisher.path_of("manifest")])
    assert sorted(files[path] for path in artifacts) == sorted(FILES.values())


def test_everybody_may_read_what_is_published(publisher: Publisher) -> None:
    (publisher.folder / "build" / "local" / "kernel").chmod(0o600)
    publisher.publish()
    assert all(path.stat().st_mode & 0o004 for path in publisher.repository.rglob("*"))


def test_the_umask_keeps_nobody_from_reading_it(publisher: Publisher) -> None:
    (publisher.folder / "build" / "local" / "kernel").chmod(0o600)
    former = os.umask(0o077)
    try:
        publisher.publish()
    finally:
        os.umask(former)
    paths = [publisher.repository, *publisher.repository.rglob("*")]
    assert all(path.stat().st_mode & 0o004 for path in paths)
    assert all(path.stat().st_mode & 0o001 for path in paths if path.is_dir())


def test_a_link_in_a_build_is_published_as_the_file_that_it_leads_to(publisher: Publisher, tmp_path: Path) -> None:
    kernel = publisher.folder / "build" / "local" / "kernel"
    kernel.rename(tmp_path / "kernel")
    kernel.symlink_to(tmp_path / "kernel")
    publisher.publish()
    artifact = publisher.repository / publisher.path_of("kernel")
    assert not artifact.is_symlink()
    artifact.unlink()
    artifact.symlink_to(tmp_path / "kernel")
    publisher.publish()
    assert (artifact.is_symlink(), artifact.read_bytes()) == (False, FILES["kernel"])


def test_what_killed_publishers_left_is_cleared_away(publisher: Publisher) -> None:
    publisher.publish()
    left = [publisher.repository / folder / ".abc.123-4.part" for folder in ("artifacts", "metadata", "targets/stable")]
    for path in left:
        path.write_bytes(b"half")
    refresh(publisher.repository, publisher.keys, now=NOW)
    assert not any(path.exists() for path in left)


def test_two_systems_for_the_same_machines_are_refused(publisher: Publisher) -> None:
    build = publisher.folder / "build"
    shutil.copytree(build / "local", build / "local.old")
    with pytest.raises(InvalidSystem, match=f"{build}/local and {build}/local.old are both local for x86_64"):
        publisher.publish()
    (build / "local.old").rename(build / ".local.old")
    assert len(publisher.publish().manifests) == 1


def test_versions_grow_with_every_publication(publisher: Publisher) -> None:
    assert [publisher.publish().manifests[0].version for _ in range(3)] == [1, 2, 3]
    assert verify(publisher, FolderSource(publisher.repository)).manifest.version == 3


def test_every_mode_of_a_build_is_published_at_once(publisher: Publisher) -> None:
    build_system(publisher.folder / "build", mode="private")
    assert [each.mode for each in publisher.publish().manifests] == ["local", "private"]
    assert [each.version for each in publisher.publish().manifests] == [2, 2]


def test_channels_live_side_by_side(publisher: Publisher) -> None:
    publisher.publish()
    build = publisher.folder / "build"
    (other,) = publish(build, publisher.repository, publisher.keys, "nightly", now=NOW).manifests
    assert (other.channel, other.version) == ("nightly", 1)
    assert verify(publisher, FolderSource(publisher.repository)).manifest.channel == "stable"


def test_the_manifest_tells_of_the_build(publisher: Publisher) -> None:
    (manifest,) = publisher.publish(lifetime=timedelta(days=5)).manifests
    assert (manifest.created_at, manifest.expires_at) == (NOW, NOW + timedelta(days=5))
    assert manifest.cmdline == "console=ttyS0 quiet"
    digest = manifest.kernel.sha256
    assert manifest.kernel == Artifact(f"sha256:{digest}", len(FILES["kernel"]), (f"artifacts/{digest}",))


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_what_the_build_described_is_not_published(publisher: Publisher, name: str) -> None:
    publisher.publish()
    before = publisher.files()
    path = publisher.folder / "build" / "local" / name
    path.unlink()
    path.write_bytes(FILES[name][:-1] + b"!")
    with pytest.raises(InvalidSystem, match=f"{name} is not the file that"):
        publisher.publish()
    assert publisher.files() == before


@pytest.mark.parametrize("content", [b"", b"[]", b'{"mode": "local"}', b"\xff"])
def test_a_description_that_is_none_is_said(publisher: Publisher, content: bytes) -> None:
    (publisher.folder / "build" / "local" / "system.json").write_bytes(content)
    with pytest.raises(InvalidSystem, match=r"build/local: system\.json"):
        publisher.publish()


def test_an_empty_build_is_said(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(InvalidSystem, match="there is no system in"):
        publish(tmp_path / "nothing", publisher.repository, publisher.keys, "stable", now=NOW)


@pytest.mark.parametrize("last", ["artifacts", "manifest.json", "targets.json", "snapshot.json", "timestamp.json"])
def test_a_crash_leaves_the_old_state_and_the_next_publication_works(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    publisher.publish()
    build_system(publisher.folder / "build", content=FILES | {"kernel": b"another kernel"})
    write = repository_module.write_public

    def crashes(path: Path, data: bytes, **settings: Any) -> None:
        if last in path.name:
            raise KeyboardInterrupt
        write(path, data, **settings)

    with monkeypatch.context() as patch:
        if last == "artifacts":
            patch.setattr(repository_module, "_link_or_copy", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(repository_module, "write_public", crashes)
        with pytest.raises(KeyboardInterrupt):
            publisher.publish()
    assert verify(publisher, FolderSource(publisher.repository)).manifest.version == 1
    publisher.publish()
    manifest = verify(publisher, FolderSource(publisher.repository)).manifest
    assert (manifest.version, manifest.kernel.size) == (2, len(b"another kernel"))
    assert not list(publisher.repository.rglob(".*"))


@pytest.mark.parametrize("last", ["manifest.json", "snapshot.json", "1.root.json", "timestamp.json"])
def test_a_first_publication_that_broke_off_can_be_made_again(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    write = repository_module.write_public

    def crashes(path: Path, data: bytes, **settings: Any) -> None:
        if last in path.name:
            raise KeyboardInterrupt
        write(path, data, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(repository_module, "write_public", crashes)
        with pytest.raises(KeyboardInterrupt):
            publisher.publish()
    with pytest.raises(InvalidInput, match="is no repository"):
        refresh(publisher.repository, publisher.keys, now=NOW)
    publisher.publish()
    assert verify(publisher, FolderSource(publisher.repository)).manifest.version == 1
    assert not list(publisher.repository.rglob(".*"))


@pytest.mark.parametrize("lost", ["metadata/timestamp.json", "metadata"])
def test_a_repository_that_lost_its_timestamp_does_not_begin_again(publisher: Publisher, lost: str) -> None:
    publisher.publish()
    (publisher.repository / lost).rename(publisher.folder / "lost")
    with pytest.raises(InvalidRepository, match=r"metadata/timestamp\.json is damaged: it is missing"):
        publisher.publish()
    (publisher.folder / "lost").rename(publisher.repository / lost)
    assert publisher.publish().manifests[0].version == 2


def test_at_every_moment_a_reader_sees_one_state(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher.publish()
    seen = []
    write = repository_module.write_public

    def looked_at(path: Path, data: bytes, **settings: Any) -> None:
        write(path, data, **settings)
        seen.append(verify(publisher, FolderSource(publisher.repository)).manifest.version)

    monkeypatch.setattr(repository_module, "write_public", looked_at)
    publisher.keys.rotate("timestamp", expires=ROOT_EXPIRES, plugin="ed25519")
    publisher.keys.rotate("snapshot", expires=ROOT_EXPIRES, plugin="ed25519")
    publisher.keys.rotate("targets", expires=ROOT_EXPIRES, plugin="ed25519")
    publisher.publish()
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}


def test_publishers_wait_for_each_other(publisher: Publisher) -> None:
    with ThreadPoolExecutor(4) as pool:
        versions = [done.result().manifests[0].version for done in [pool.submit(publisher.publish) for _ in range(4)]]
    assert sorted(versions) == [1, 2, 3, 4]
    assert verify(publisher, FolderSource(publisher.repository)).manifest.version == 4


def test_so_do_publishers_in_other_processes(plasm: Plasm, tmp_path: Path) -> None:
    keys, build, repo = tmp_path / "keys", build_system(tmp_path / "build"), tmp_path / "repo"
    plasm("boot", "keys", "init", keys)
    options = ("--repo", repo, "--keys", keys, "--channel", "stable", "--json")
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: plasm("boot", "publish", build, *options), range(3)))
    assert sorted(json.loads(each.stdout)["published"][0]["version"] for each in done) == [1, 2, 3]


def test_other_keys_do_not_publish_into_a_repository(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish()
    other = Publisher(tmp_path / "other")
    with pytest.raises(InvalidRepository, match=r"metadata/1\.root\.json is not the root of these keys"):
        publish(other.folder / "build", publisher.repository, other.keys, "stable", now=NOW)


@pytest.mark.parametrize("name", ["timestamp", "snapshot", "targets", "manifest"])
@pytest.mark.parametrize("damage", [None, b"", b"{}"])
def test_a_damaged_repository_is_not_published_into(publisher: Publisher, name: str, damage: bytes | None) -> None:
    publisher.publish()
    path = publisher.repository / publisher.path_of(name)
    if damage is not None:
        path.write_bytes(damage)
    elif name != "timestamp":
        path.unlink()
    else:
        path.write_bytes(b"null")
    with pytest.raises(InvalidRepository, match=f"{path} is damaged"):
        publisher.publish()


def test_a_damaged_artifact_is_replaced(publisher: Publisher) -> None:
    publisher.publish()
    path = publisher.repository / publisher.path_of("kernel")
    path.unlink()
    path.write_bytes(b"rubbish")
    publisher.publish()
    assert path.read_bytes() == FILES["kernel"]


def test_a_missing_key_is_said_before_anything_changes(publisher: Publisher) -> None:
    publisher.publish()
    before = (publisher.repository / "metadata" / "timestamp.json").read_bytes()
    shutil.rmtree(publisher.folder / "keys" / "snapshot-1")
    with pytest.raises(InvalidKeys, match="no key at hand may sign snapshot"):
        publisher.publish()
    assert (publisher.repository / "metadata" / "timestamp.json").read_bytes() == before


def test_without_keys_no_repository_is_begun(publisher: Publisher, tmp_path: Path, plasm: Plasm) -> None:
    build, repository = publisher.folder / "build", tmp_path / "new"
    done = plasm("boot", "publish", build, "--repo", repository, "--keys", tmp_path / "none", "--channel", "stable")
    assert (done.returncode, b"error[invalid-boot-keys]" in done.stderr) == (125, True)
    assert not repository.exists()


def test_root_keys_are_not_needed_to_publish(publisher: Publisher) -> None:
    for number in (1, 2, 3):
        shutil.rmtree(publisher.folder / "keys" / f"root-{number}")
    assert publisher.publish().manifests[0].version == 1


def test_a_root_that_lacks_signatures_is_not_published_under_yet(publisher: Publisher, tmp_path: Path) -> None:
    keys = publisher.folder / "keys"
    for number in (2, 3):
        (keys / f"root-{number}").rename(tmp_path / f"root-{number}")
    publisher.keys.rotate("timestamp", expires=NOW + timedelta(days=400), plugin="ed25519")
    first = publisher.publish()
    assert (first.root.version, first.awaited) == (1, "1 of the 2 signatures by the present root keys")
    later = NOW + timedelta(days=10)
    assert refresh(publisher.repository, publisher.keys, now=later).root.version == 1
    verify(publisher, FolderSource(publisher.repository), now=later + timedelta(days=13))
    (tmp_path / "root-2").rename(keys / "root-2")
    held = next(key for key in publisher.keys.held() if key.folder.name == "root-2")
    assert sign_root(keys / "root.json", held)[1] == ""
    complete = publisher.publish(now=later)
    assert (complete.root.version, complete.awaited) == (2, "")
    verify(publisher, FolderSource(publisher.repository), now=later)


def test_the_first_root_needs_its_signatures(publisher: Publisher) -> None:
    path = publisher.folder / "keys" / "root.json"
    root = json.loads(path.read_bytes())
    path.write_text(json.dumps(root | {"signatures": root["signatures"][:1]}))
    with pytest.raises(RootIncomplete, match="version 1 of root lacks 1 of the 2 signatures by the present root keys"):
        publisher.publish()


def test_older_keys_do_not_publish_over_a_newer_root(publisher: Publisher) -> None:
    shutil.copytree(publisher.folder / "keys", publisher.folder / "older")
    publisher.keys.rotate("timestamp", expires=ROOT_EXPIRES, plugin="ed25519")
    publisher.publish()
    older = KeyFolder(publisher.folder / "older", Config.from_environment(os.environ))
    with pytest.raises(InvalidRepository, match=r"2\.root\.json is newer than any complete root of these keys"):
        refresh(publisher.repository, older, now=NOW)


def test_an_expired_root_vouches_for_nothing(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(InvalidKeys, match="version 1 of root has expired"):
        publisher.publish(now=NOW + timedelta(days=366))
    away = [(publisher.folder / "keys" / name, tmp_path / name) for name in ("root-2", "root-3")]
    for place, elsewhere in away:
        place.rename(elsewhere)
    publisher.keys.renew(expires=NOW + timedelta(days=800))
    with pytest.raises(InvalidKeys, match="version 1 of root has expired") as refused:
        publisher.publish(now=NOW + timedelta(days=366))
    assert "it lacks 1 of the 2 signatures" in (refused.value.hint or "")
    for place, elsewhere in away:
        elsewhere.rename(place)
    held = next(key for key in publisher.keys.held() if key.folder.name == "root-2")
    sign_root(publisher.folder / "keys" / "root.json", held)
    publisher.publish(now=NOW + timedelta(days=366))


def test_refreshing_renews_timestamp_and_snapshot_while_the_rest_is_young(publisher: Publisher) -> None:
    publisher.publish()
    before = publisher.files()
    assert refresh(publisher.repository, publisher.keys, now=NOW + timedelta(days=1)).manifests == ()
    after = publisher.files()
    assert {path for path in after if after[path] != before.get(path)} == {
        "metadata/timestamp.json",
        "metadata/2.snapshot.json",
    }


@pytest.mark.parametrize("lifetime", [timedelta(days=90), timedelta(days=45), timedelta(days=14)])
def test_a_publisher_may_be_away_for_a_fortnight_after_any_refresh(publisher: Publisher, lifetime: timedelta) -> None:
    publisher.publish(lifetime=lifetime)
    for day in range(1, 50, 3):
        now = NOW + timedelta(days=day)
        assert refresh(publisher.repository, publisher.keys, now=now).ending_early == {}
        verify(publisher, FolderSource(publisher.repository), now=now + timedelta(days=14, seconds=-1))
        with pytest.raises(Untrusted, match="expired"):
            verify(publisher, FolderSource(publisher.repository), now=now + timedelta(days=14))


def test_publishing_prolongs_what_else_would_end_before_the_timestamp(publisher: Publisher) -> None:
    publisher.publish()
    now = NOW + timedelta(days=80)
    done = publish(publisher.folder / "build", publisher.repository, publisher.keys, "nightly", now=now)
    assert [(each.channel, each.version) for each in done.manifests] == [("nightly", 1), ("stable", 2)]
    verify(publisher, FolderSource(publisher.repository), now=now + timedelta(days=13))


def test_what_ends_before_the_timestamp_is_said(publisher: Publisher) -> None:
    published = publisher.publish(lifetime=timedelta(days=5))
    assert published.ending_early == {"stable/x86_64/local": NOW + timedelta(days=5)}
    late = ROOT_EXPIRES - timedelta(days=3)
    assert publisher.publish(now=late).ending_early == {"root": ROOT_EXPIRES}


def test_without_the_other_keys_a_timestamp_is_refreshed_and_what_they_would_prolong_is_said(
    publisher: Publisher,
) -> None:
    publisher.publish(lifetime=timedelta(days=20))
    for name in ("snapshot-1", "targets-1"):
        shutil.rmtree(publisher.folder / "keys" / name)
    refreshed = refresh(publisher.repository, publisher.keys, now=NOW + timedelta(days=10))
    assert refreshed.ending_early == {
        "snapshot": NOW + timedelta(days=14),
        "stable/x86_64/local": NOW + timedelta(days=20),
    }
    verify(publisher, FolderSource(publisher.repository), now=NOW + timedelta(days=13))
    with pytest.raises(InvalidKeys, match="no key at hand may sign snapshot"):
        refresh(publisher.repository, publisher.keys, now=NOW + timedelta(days=15))


def test_refreshing_every_few_days_keeps_a_repository_alive_for_a_year(publisher: Publisher, tmp_path: Path) -> None:
    publisher.keys.renew(expires=NOW + timedelta(days=500))
    publisher.publish()
    for day in range(7, 366, 7):
        now = NOW + timedelta(days=day)
        refresh(publisher.repository, publisher.keys, now=now)
        verified = verify(publisher, FolderSource(publisher.repository), memory=tmp_path / "memory", now=now)
        assert verified.manifest.expires_at > now + timedelta(days=20)
    assert verified.manifest.version > 3
    assert verified.manifest.kernel.size == len(FILES["kernel"])


def test_what_boots_from_its_own_medium_may_stay_fresh_for_long(publisher: Publisher) -> None:
    later, lifetime = NOW + timedelta(days=300), timedelta(days=360)
    publisher.publish(lifetime=lifetime)
    with pytest.raises(Untrusted, match="expired"):
        verify(publisher, FolderSource(publisher.repository), now=later)
    publish(
        publisher.folder / "build",
        publisher.repository,
        publisher.keys,
        "stable",
        now=NOW,
        lifetime=lifetime,
        freshness=lifetime,
    )
    assert verify(publisher, FolderSource(publisher.repository), now=later).manifest.version == 2


def test_refreshing_tells_of_new_keys(publisher: Publisher) -> None:
    publisher.publish()
    for role in ("snapshot", "targets"):
        publisher.keys.rotate(role, expires=ROOT_EXPIRES, plugin="ed25519")
    refresh(publisher.repository, publisher.keys, now=NOW)
    for name in ("snapshot-1", "targets-1"):
        shutil.rmtree(publisher.folder / "keys" / name)
    assert verify(publisher, FolderSource(publisher.repository)).manifest.version == 1
    publisher.publish()


def test_only_a_repository_is_refreshed(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no repository"):
        refresh(tmp_path / "nothing", publisher.keys, now=NOW)
    assert not (tmp_path / "nothing").exists()


def test_a_repository_that_cannot_be_written_is_said(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnwritableOutput):
        publish(publisher.folder / "build", tmp_path / "file", publisher.keys, "stable", now=NOW)


def test_the_commands_publish_and_refresh(plasm: Plasm, tmp_path: Path) -> None:
    keys, build, repo = tmp_path / "keys", build_system(tmp_path / "build"), tmp_path / "repo"
    plasm("boot", "keys", "init", keys, "--expires", 20)
    done = plasm("boot", "publish", build, "--repo", repo, "--keys", keys, "--channel", "testing", "--json")
    assert done.returncode == 0, done.stderr
    (published,) = json.loads(done.stdout)["published"]
    assert (published["channel"], published["mode"], published["version"]) == ("testing", "local", 1)
    assert b"root expires on" in done.stderr
    refreshed = plasm("boot", "refresh", "--repo", repo, "--keys", keys, "--fresh", 30)
    assert refreshed.returncode == 0
    assert b"root ends on" in refreshed.stderr
    wrong = plasm("boot", "publish", build, "--repo", repo, "--keys", tmp_path, "--channel", "testing", "--json")
    assert json.loads(wrong.stdout)["error"]["code"] == "invalid-boot-keys"
    assert plasm("boot", "publish", build, "--repo", repo, "--keys", keys, "--channel", "odd").returncode == 125
