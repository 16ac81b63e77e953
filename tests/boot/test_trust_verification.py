"""What a machine believes of a repository: all that a publisher signed, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plasm_boot")

from attrs import evolve
from boot.published import FILES, NOW, WANTED, Publisher, Shown, build_system, resigned, verify, with_flipped_bit
from securesystemslib.signer import Signature
from tuf.api.metadata import Metadata, MetaFile, TargetFile

from plasm_boot.errors import SourceFailed, Untrusted
from plasm_boot.fetching.folder import FolderSource
from plasm_boot.trust.publishing import refresh
from plasm_boot.trust.verification import TrustedRepository

ROLES = ("timestamp", "snapshot", "targets")


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = Publisher(tmp_path / "publisher")
    made.publish()
    return made


def test_what_was_published_is_believed(publisher: Publisher) -> None:
    verified = verify(publisher, Shown(publisher.files(), "http://a/"))
    assert (verified.manifest.version, verified.manifest.cmdline) == (1, "console=ttyS0 quiet")
    assert verified.data == publisher.files()[publisher.path_of("manifest")]
    assert verified.source_name == "http://a/"


def test_a_folder_is_a_source_like_any_other(publisher: Publisher) -> None:
    assert verify(publisher, FolderSource(publisher.repository)).manifest.mode == "local"


@pytest.mark.parametrize("name", [*ROLES, "manifest"])
def test_one_flipped_bit_is_refused_by_file_and_source(publisher: Publisher, name: str) -> None:
    files, path = publisher.files(), publisher.path_of(name)
    with pytest.raises(Untrusted) as refusal:
        verify(publisher, Shown(files | {path: with_flipped_bit(files[path])}, "http://liar/"))
    assert refusal.value.message.startswith(f"{path} from http://liar/ is refused: ")


def test_one_flipped_bit_in_a_newer_root_is_refused(publisher: Publisher) -> None:
    publisher.keys.renew(expires=NOW + timedelta(days=500))
    publisher.publish()
    files = publisher.files()
    with pytest.raises(Untrusted, match=r"metadata/2\.root\.json from shown"):
        verify(publisher, Shown(files | {"metadata/2.root.json": with_flipped_bit(files["metadata/2.root.json"])}))


@pytest.mark.parametrize("name", [*ROLES, "manifest"])
def test_a_missing_file_is_named(publisher: Publisher, name: str) -> None:
    files = publisher.files()
    del files[publisher.path_of(name)]
    with pytest.raises(SourceFailed, match=f"shown has no {publisher.path_of(name)}"):
        verify(publisher, Shown(files))


@pytest.mark.parametrize("name", [*ROLES, "manifest"])
def test_a_file_that_is_longer_than_was_signed_is_not_taken(publisher: Publisher, name: str) -> None:
    files, path = publisher.files(), publisher.path_of(name)
    with pytest.raises((SourceFailed, Untrusted), match=path):
        verify(publisher, Shown(files | {path: files[path] + b" " * 20_000}))


def test_a_mode_that_is_not_published_is_not_found(publisher: Publisher) -> None:
    trusted = TrustedRepository(publisher.root)
    with pytest.raises(SourceFailed, match="does not publish stable/x86_64/private/manifest") as refusal:
        trusted.manifest(Shown(publisher.files()), "stable", "x86_64", "private", now=NOW)
    assert "stable/x86_64/local" in refusal.value.hint


def test_metadata_of_other_keys_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    other = Publisher(tmp_path / "other")
    other.publish()
    with pytest.raises(Untrusted, match="it has 0 of the 1 signatures that version 1 of root asks for"):
        verify(publisher, Shown(other.files()))


def test_metadata_without_signatures_is_refused(publisher: Publisher) -> None:
    files, path = publisher.files(), publisher.path_of("timestamp")
    bare = files[path].split(b'"signed":')[1]
    with pytest.raises(Untrusted, match="0 of the 1 signatures"):
        verify(publisher, Shown(files | {path: b'{"signatures":[],"signed":' + bare}))


def test_one_role_s_key_does_not_sign_for_another(publisher: Publisher) -> None:
    files, path = publisher.files(), publisher.path_of("timestamp")
    forged = resigned(publisher, files[path], lambda _: None, "snapshot")
    with pytest.raises(Untrusted, match="0 of the 1 signatures"):
        verify(publisher, Shown(files | {path: forged}))


@pytest.mark.parametrize(("days", "file"), [(15, "timestamp"), (366, "root")])
def test_what_has_expired_is_refused_with_its_date(publisher: Publisher, days: int, file: str) -> None:
    with pytest.raises(Untrusted, match=rf"metadata/(1\.)?{file}\.json from shown is refused: it expired on 20"):
        verify(publisher, Shown(publisher.files()), now=NOW + timedelta(days=days))


def _expire(payload: Any) -> None:
    payload.expires = NOW - timedelta(days=1)


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_each_role_s_own_expiry_counts(publisher: Publisher, role: str) -> None:
    files = _with_changed(publisher, role, _expire)
    with pytest.raises(Untrusted, match=rf"metadata/1\.{role}\.json .* it expired on 2026-11-24"):
        verify(publisher, Shown(files))


def test_a_manifest_that_has_expired_is_refused_while_its_metadata_have_not(publisher: Publisher) -> None:
    publisher.publish(lifetime=timedelta(days=1))
    build_system(publisher.folder / "build", mode="private")
    publisher.publish(lifetime=timedelta(days=90))
    (publisher.folder / "build" / "private" / "system.json").unlink()
    publisher.publish(lifetime=timedelta(days=1))
    with pytest.raises(Untrusted, match=r"local/manifest\.json from shown is refused: it expired on"):
        verify(publisher, Shown(publisher.files()), now=NOW + timedelta(days=2))


def test_a_manifest_for_another_mode_under_this_one_s_name_is_refused(publisher: Publisher) -> None:
    build_system(publisher.folder / "build", mode="private")
    publisher.publish()

    def swap(targets: Any) -> None:
        paths = ("stable/x86_64/local/manifest.json", "stable/x86_64/private/manifest.json")
        targets.targets[paths[0]], targets.targets[paths[1]] = targets.targets[paths[1]], targets.targets[paths[0]]

    files = _with_changed(publisher, "targets", swap)
    for path in list(files):
        files[path.replace("/private/", "/local/")] = files[path]
    with pytest.raises(Untrusted, match="it is for stable/x86_64/private, not stable/x86_64/local"):
        verify(publisher, Shown(files))


def test_a_target_that_is_no_manifest_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    path, data = "stable/x86_64/local/manifest.json", b"[]"
    info = TargetFile.from_data(path, data, ["sha256"])
    files = _with_changed(publisher, "targets", lambda targets: targets.targets.update({path: info}))
    files[f"targets/stable/x86_64/local/{info.hashes['sha256']}.manifest.json"] = data
    with pytest.raises(Untrusted, match="the boot manifest is not an object"):
        verify(publisher, Shown(files))


def test_older_than_seen_is_refused_by_name_and_does_no_harm(publisher: Publisher, tmp_path: Path) -> None:
    old = Shown(publisher.files(), "http://old/")
    publisher.publish()
    publisher.publish()
    new = Shown(publisher.files(), "http://new/")
    trusted = TrustedRepository(publisher.root, tmp_path / "memory")
    assert trusted.manifest(new, *WANTED, now=NOW).manifest.version == 3
    with pytest.raises(
        Untrusted,
        match=r"metadata/timestamp\.json from http://old/ is refused: it offers version 1 of timestamp, "
        "and version 3 was seen",
    ):
        trusted.manifest(old, *WANTED, now=NOW)
    assert trusted.manifest(new, *WANTED, now=NOW).manifest.version == 3


def test_what_was_seen_outlives_the_process(publisher: Publisher, tmp_path: Path) -> None:
    old = Shown(publisher.files())
    publisher.publish()
    verify(publisher, Shown(publisher.files()), memory=tmp_path / "memory")
    with pytest.raises(Untrusted, match="version 2 was seen"):
        verify(publisher, old, memory=tmp_path / "memory")


def test_without_memory_an_older_repository_that_has_not_expired_is_all_that_can_be_known(publisher: Publisher) -> None:
    old = Shown(publisher.files())
    publisher.publish()
    verify(publisher, Shown(publisher.files()))
    assert verify(publisher, old).manifest.version == 1


def test_a_publisher_that_goes_back_to_a_lower_manifest_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    before = publisher.files()
    publisher.publish()
    verify(publisher, Shown(publisher.files()), memory=tmp_path)
    listed = Metadata.from_bytes(before["metadata/1.targets.json"]).signed.targets
    files = _with_changed(publisher, "targets", lambda targets: setattr(targets, "targets", listed), newer=True)
    with pytest.raises(Untrusted, match="it is version 1, and version 2 was seen"):
        verify(publisher, Shown(before | files), memory=tmp_path)


def test_a_source_that_is_frozen_is_refused_when_its_time_is_over(publisher: Publisher, tmp_path: Path) -> None:
    frozen = Shown(publisher.files(), "http://frozen/")
    later = NOW + timedelta(days=10)
    refresh(publisher.repository, publisher.keys, now=later)
    verify(publisher, frozen, memory=tmp_path, now=later)
    with pytest.raises(Untrusted, match=r"timestamp\.json from http://frozen/ is refused: it expired on 2026-12-09"):
        verify(publisher, frozen, memory=tmp_path, now=NOW + timedelta(days=15))
    assert verify(publisher, Shown(publisher.files()), memory=tmp_path, now=NOW + timedelta(days=15))


def test_a_source_with_half_of_a_newer_state_leaves_no_trace(publisher: Publisher, tmp_path: Path) -> None:
    honest = Shown(publisher.files(), "http://honest/")
    publisher.publish()
    lying = publisher.files()
    del lying[publisher.path_of("snapshot")]
    trusted = TrustedRepository(publisher.root, tmp_path / "memory")
    with pytest.raises(SourceFailed):
        trusted.manifest(Shown(lying), *WANTED, now=NOW)
    assert trusted.manifest(honest, *WANTED, now=NOW).manifest.version == 1


def test_a_damaged_memory_costs_what_was_remembered_and_nothing_more(publisher: Publisher, tmp_path: Path) -> None:
    publisher.keys.renew(expires=NOW + timedelta(days=500))
    publisher.publish()
    verify(publisher, Shown(publisher.files()), memory=tmp_path)
    for path in tmp_path.glob("*.json"):
        path.write_bytes(b"\xff{" * 50)
    assert verify(publisher, Shown(publisher.files()), memory=tmp_path).manifest.version == 2


def test_what_is_remembered_is_not_asked_for_again(publisher: Publisher, tmp_path: Path) -> None:
    verify(publisher, Shown(publisher.files()), memory=tmp_path)
    again = Shown(publisher.files())
    verify(publisher, again, memory=tmp_path)
    assert again.read_paths == ["metadata/2.root.json", "metadata/timestamp.json", publisher.path_of("manifest")]


def test_new_keys_are_followed_from_an_old_root(publisher: Publisher, tmp_path: Path) -> None:
    verify(publisher, Shown(publisher.files()), memory=tmp_path)
    for role in ("timestamp", "root", "targets", "snapshot", "root"):
        publisher.keys.rotate(role, expires=NOW + timedelta(days=365), plugin="ed25519")
    publisher.publish()
    assert verify(publisher, Shown(publisher.files()), memory=tmp_path).manifest.version == 2
    assert (tmp_path / "6.root.json").exists()


def test_a_key_that_was_replaced_signs_no_more(publisher: Publisher) -> None:
    old = publisher.files()
    publisher.keys.rotate("timestamp", expires=NOW + timedelta(days=365), plugin="ed25519")
    publisher.publish()
    stale = publisher.files() | {"metadata/timestamp.json": old["metadata/timestamp.json"]}
    with pytest.raises(Untrusted, match="0 of the 1 signatures that version 2 of root asks for"):
        verify(publisher, Shown(stale))


def test_what_a_stolen_key_signed_is_forgotten_when_the_key_is_replaced(publisher: Publisher, tmp_path: Path) -> None:
    manifest = evolve(verify(publisher, Shown(publisher.files())).manifest, version=2**53 - 1)
    data = manifest.to_bytes()
    info = TargetFile.from_data("stable/x86_64/local/manifest.json", data, ["sha256"])
    stolen = _with_changed(publisher, "targets", lambda targets: targets.targets.update({info.path: info}), newer=True)
    stolen[f"targets/stable/x86_64/local/{info.hashes['sha256']}.manifest.json"] = data
    assert verify(publisher, Shown(stolen), memory=tmp_path).manifest.version == 2**53 - 1
    publisher.publish()
    publisher.publish()
    with pytest.raises(Untrusted, match=f"it is version 3, and version {2**53 - 1} was seen"):
        verify(publisher, Shown(publisher.files()), memory=tmp_path)
    publisher.keys.rotate("targets", expires=NOW + timedelta(days=365), plugin="ed25519")
    publisher.publish()
    assert verify(publisher, Shown(publisher.files()), memory=tmp_path).manifest.version == 4


def test_a_root_that_only_its_own_keys_signed_is_not_followed(publisher: Publisher, tmp_path: Path) -> None:
    other = Publisher(tmp_path / "other")
    other.keys.renew(expires=NOW + timedelta(days=365))
    files = publisher.files() | {"metadata/2.root.json": other.root}
    with pytest.raises(Untrusted, match=r"2\.root\.json .* 0 of the 2 signatures that version 1 of root asks for"):
        verify(publisher, Shown(files))


def test_a_root_below_its_threshold_is_not_followed(publisher: Publisher) -> None:
    publisher.keys.renew(expires=NOW + timedelta(days=365))
    root = Metadata.from_bytes(publisher.root)
    for keyid in list(root.signatures)[1:]:
        del root.signatures[keyid]
    with pytest.raises(Untrusted, match=r"2\.root\.json .* 1 of the 2 signatures"):
        verify(publisher, Shown(publisher.files() | {"metadata/2.root.json": root.to_bytes()}))


def test_one_key_s_signature_under_many_names_counts_once(publisher: Publisher) -> None:
    publisher.keys.renew(expires=NOW + timedelta(days=365))
    root = Metadata.from_bytes(publisher.root)
    one, *others = root.signatures.items()
    for keyid, _ in others:
        root.signatures[keyid] = Signature(keyid, one[1].signature)
    with pytest.raises(Untrusted, match="1 of the 2 signatures"):
        verify(publisher, Shown(publisher.files() | {"metadata/2.root.json": root.to_bytes()}))


@pytest.mark.parametrize("root", [b"", b"{}", b"[" * 100_000, b'{"signed": {"_type": "root"}, "signatures": []}'])
def test_a_pinned_root_that_is_none_is_refused(root: bytes) -> None:
    with pytest.raises(Untrusted, match="the pinned root metadata is refused"):
        TrustedRepository(root)


def test_verifying_needs_no_other_cryptography_than_plasm_s(publisher: Publisher, tmp_path: Path) -> None:
    script = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("cryptography", "requests"):
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
from datetime import datetime
from pathlib import Path
from plasm_boot.fetching.folder import FolderSource
from plasm_boot.trust.verification import TrustedRepository
trusted = TrustedRepository(Path({str(publisher.folder / "keys" / "root.json")!r}).read_bytes(), None)
source = FolderSource(Path({str(publisher.repository)!r}))
print(trusted.manifest(source, *{WANTED!r}, now=datetime.fromisoformat({NOW.isoformat()!r})).manifest.version)
assert "cryptography" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"1\n"), done.stderr


def test_the_files_of_the_build_are_those_that_are_vouched_for(publisher: Publisher) -> None:
    manifest = verify(publisher, Shown(publisher.files())).manifest
    content = {name: publisher.files()[artifact.urls[0]] for name, artifact in manifest.artifacts.items()}
    assert content == {name.removesuffix(".squashfs"): data for name, data in FILES.items()}


def _with_changed(publisher: Publisher, role: str, change: Any, *, newer: bool = False) -> dict[str, bytes]:
    """What a thief of all keys but root's publishes: ``role``'s metadata after ``change``, and all that lead to it."""
    files = publisher.files()

    def put(name: str, *changes: Any) -> MetaFile:
        def apply(payload: Any) -> None:
            for each in changes if name != role else (*changes, change):
                each(payload)
            payload.version += newer

        data = resigned(publisher, files[publisher.path_of(name)], apply, name)
        version = Metadata.from_bytes(data).signed.version
        files["metadata/timestamp.json" if name == "timestamp" else f"metadata/{version}.{name}.json"] = data
        return MetaFile.from_data(version, data, ["sha256"])

    targets = put("targets")
    snapshot = put("snapshot", lambda payload: payload.meta.update({"targets.json": targets}))
    put("timestamp", lambda payload: setattr(payload, "snapshot_meta", snapshot))
    return files
