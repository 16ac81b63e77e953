"""plasm boot verify and fetch: what a machine would boot, tried from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("plasm_boot")

from boot.published import FILES, build_system, serving, with_flipped_bit

from boot import published
from world import Plasm


@pytest.fixture
def keys(plasm: Plasm, tmp_path: Path) -> Path:
    assert plasm("boot", "keys", "init", tmp_path / "keys").returncode == 0
    return tmp_path / "keys"


@pytest.fixture
def repo(plasm: Plasm, tmp_path: Path, keys: Path) -> Path:
    build = build_system(tmp_path / "build")
    done = plasm("boot", "publish", build, "--repo", tmp_path / "repo", "--keys", keys, "--channel", "stable")
    assert done.returncode == 0, done.stderr
    return tmp_path / "repo"


def files(repo: Path) -> dict[str, bytes]:
    return {str(path.relative_to(repo)): path.read_bytes() for path in repo.rglob("*") if path.is_file()}


def test_a_folder_verifies_down_to_the_last_byte(plasm: Plasm, repo: Path, keys: Path) -> None:
    done = plasm("boot", "verify", "--repo", repo, "--root", keys / "root.json", "--arch", "x86_64", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["version"], told["artifacts_verified"], told["sources"]) == (1, True, [str(repo)])


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_flipped_bit_in_an_artifact_is_found_unless_only_the_manifest_is_asked_for(
    plasm: Plasm, repo: Path, keys: Path, content: bytes
) -> None:
    (path,) = [path for path in (repo / "artifacts").iterdir() if path.read_bytes() == content]
    path.unlink()
    path.write_bytes(with_flipped_bit(content))
    command = ("boot", "verify", "--repo", repo, "--root", keys / "root.json", "--arch", "x86_64")
    done = plasm(*command)
    assert done.returncode == 125
    assert f"refused {repo}: " in done.stderr.decode()
    assert "its digest is not the signed one" in done.stderr.decode()
    assert plasm(*command, "--manifest-only").returncode == 0


def test_a_system_is_fetched_from_a_provider_while_another_lies(
    plasm: Plasm, repo: Path, keys: Path, tmp_path: Path
) -> None:
    with serving(files(repo)) as honest, serving(files(repo)) as liar:
        liar.lies["metadata/timestamp.json"] = published.flips_a_bit
        options = ("--repo", liar.url, "--repo", honest.url, "--root", keys / "root.json", "--arch", "x86_64")
        done = plasm("boot", "fetch", *options, "--to", tmp_path / "system", "--memory", tmp_path / "memory")
    assert done.returncode == 0, done.stderr
    assert f"plasm: refused {liar.url}: metadata/timestamp.json from {liar.url} is refused: " in done.stderr.decode()
    for name, data in FILES.items():
        assert (tmp_path / "system" / name.removesuffix(".squashfs")).read_bytes() == data
    assert json.loads((tmp_path / "system" / "manifest.json").read_bytes())["mode"] == "local"
    assert (tmp_path / "memory" / "timestamp.json").exists()


def test_a_second_fetch_takes_what_is_there_and_nothing_older(
    plasm: Plasm, repo: Path, keys: Path, tmp_path: Path
) -> None:
    old = files(repo)
    plasm("boot", "publish", tmp_path / "build", "--repo", repo, "--keys", keys, "--channel", "stable")
    where = ("--root", keys / "root.json", "--arch", "x86_64", "--to", tmp_path / "out", "--memory", tmp_path / "m")
    with serving(files(repo)) as new:
        assert plasm("boot", "fetch", "--repo", new.url, *where).returncode == 0
        new.requests.clear()
        assert plasm("boot", "fetch", "--repo", new.url, *where).returncode == 0
        assert not [path for path, _, _ in new.requests if path.startswith("artifacts/")]
    kept = {".artifacts", "manifest.json", *(name.removesuffix(".squashfs") for name in FILES)}
    assert {path.name for path in (tmp_path / "out").iterdir()} == kept
    with serving(old) as stale:
        done = plasm("boot", "fetch", "--repo", stale.url, *where)
    assert done.returncode == 125
    assert b"it offers version 1 of timestamp, and version 2 was seen" in done.stderr


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"--repo": "nothing"}, "unreadable-input"),
        ({"--repo": "ftp://a/"}, "invalid-input"),
        ({"--root": "nothing"}, "unreadable-input"),
        ({"--root": "repo/metadata/timestamp.json"}, "boot-untrusted"),
        ({"--mode": "private"}, "boot-no-provider"),
        ({"--channel": "nightly"}, "boot-no-provider"),
        ({"--channel": "odd"}, "invalid-input"),
    ],
)
def test_what_cannot_be_verified_is_said_with_a_code(
    plasm: Plasm, repo: Path, keys: Path, tmp_path: Path, change: dict[str, str], code: str
) -> None:
    options = {"--repo": "repo", "--root": "keys/root.json", "--arch": "x86_64"} | change
    done = plasm("boot", "verify", *(part for pair in options.items() for part in pair), "--json", cwd=tmp_path)
    assert done.returncode == 125
    assert json.loads(done.stdout)["error"]["code"] == code


def test_other_people_s_keys_are_not_trusted(plasm: Plasm, repo: Path, tmp_path: Path) -> None:
    plasm("boot", "keys", "init", tmp_path / "others")
    done = plasm("boot", "verify", "--repo", repo, "--root", tmp_path / "others" / "root.json", "--arch", "x86_64")
    assert done.returncode == 125
    assert b"0 of the 1 signatures that version 1 of root asks for" in done.stderr
