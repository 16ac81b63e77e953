"""What a provider serves, and how: names, ranges, validators, and what machines and operators may ask of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

pytest.importorskip("plasm_boot")

from boot.provided import CONTENT, Repository, Served, repository, serving

from plasm_boot.provider import provider as provider_module
from plasm_boot.provider.addresses import HostPort
from plasm_boot.provider.catalogue import Catalogue


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return repository(tmp_path / "repo")


@pytest.fixture
def served(repo: Repository) -> Iterator[Served]:
    with serving(repo.path) as made:
        yield made


def test_an_artifact_is_served_for_ever_under_its_digest(repo: Repository, served: Served) -> None:
    answer = served.get(f"/artifacts/{repo.artifact}")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["etag"] == f'"{repo.artifact}"'
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_metadata_may_be_kept_unless_its_name_stays_the_same(served: Served) -> None:
    assert "immutable" in served.get("/metadata/1.root.json").headers["cache-control"]
    assert served.get("/metadata/timestamp.json").headers["cache-control"] == "no-cache"


def test_a_manifest_is_served_under_its_digest(repo: Repository, served: Served) -> None:
    (manifest,) = repo.path.glob("targets/*/*/*/*")
    answer = served.get(f"/{manifest.relative_to(repo.path)}")
    assert answer.body == manifest.read_bytes()
    assert answer.headers["etag"] == f'"{manifest.name.partition(".")[0]}"'
    assert "immutable" in answer.headers["cache-control"]


def test_head_says_what_get_would(repo: Repository, served: Served) -> None:
    path = f"/artifacts/{repo.artifact}"
    got, said = served.get(path), served.get(path, "HEAD", Range="bytes=0-1")
    assert (said.status, said.body) == (200, b"")
    assert {**said.headers, "date": ""} == {**got.headers, "date": ""}


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=4000-", 4000, 4095),
        ("bytes=-6", 4090, 4095),
        ("bytes=-99999", 0, 4095),
        ("bytes=4090-99999999999999999999999", 4090, 4095),
        ("BYTES= 1-2 ,", 1, 2),
        ("bytes=5-9,9000-", 5, 9),
        ("bytes=0-9,5-19", 0, 19),
    ],
)
def test_a_range_is_sent(repo: Repository, served: Served, asked: str, first: int, last: int) -> None:
    answer = served.get(f"/artifacts/{repo.artifact}", Range=asked)
    assert (answer.status, answer.body) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert answer.headers["etag"] == f'"{repo.artifact}"'


def test_several_ranges_are_sent_in_parts(repo: Repository, served: Served) -> None:
    answer = served.get(f"/artifacts/{repo.artifact}", Range="bytes=0-1, 10-11")
    assert answer.status == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = answer.body.split(f"--{boundary}".encode())
    assert [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]] == [b"\x00\x01\r\n", b"\x0a\x0b\r\n"]
    assert f"content-range: bytes 10-11/{len(CONTENT)}".encode() in parts[2].lower()


@pytest.mark.parametrize("asked", ["bytes=4096-", "bytes=9000-9001", "bytes=-0", "bytes=9000-,8000-"])
def test_a_range_beyond_the_end_is_refused(repo: Repository, served: Served, asked: str) -> None:
    answer = served.get(f"/artifacts/{repo.artifact}", Range=asked)
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "asked",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-1", "bytes=+1-2", "bytes=1_0-20", "bytes=--1",
        "items=0-1", "bytes=0-1;2-3", "bytes=\xb2-3", "bytes=0-1," * 17, "bytes=" + ",".join(["0-1"] * 17),
        "bytes=" + "0" * 2000 + "-1",
    ],
)  # fmt: skip
def test_what_is_no_range_is_ignored(repo: Repository, served: Served, asked: str) -> None:
    answer = served.get(f"/artifacts/{repo.artifact}", Range=asked)
    assert (answer.status, answer.body) == (200, CONTENT)


def test_an_empty_file_has_no_ranges(repo: Repository, served: Served) -> None:
    empty = repo.add(b"")
    assert served.get(f"/artifacts/{empty}").body == b""
    assert served.get(f"/artifacts/{empty}", Range="bytes=0-").status == 416


def test_a_range_is_sent_only_of_the_same_content(repo: Repository, served: Served) -> None:
    path, etag = f"/artifacts/{repo.artifact}", f'"{repo.artifact}"'
    assert served.get(path, Range="bytes=0-1", If_Range=etag).status == 206
    for other in ('"another"', f"W/{etag}", "Thu, 01 Jan 2026 00:00:00 GMT"):
        answer = served.get(path, Range="bytes=0-1", If_Range=other)
        assert (answer.status, answer.body) == (200, CONTENT)


def test_who_has_it_already_gets_nothing(repo: Repository, served: Served) -> None:
    path, etag = f"/artifacts/{repo.artifact}", f'"{repo.artifact}"'
    for known in (etag, f'"x", W/{etag}', "*"):
        answer = served.get(path, If_None_Match=known)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)
    assert served.get(path, If_None_Match='"x"').status == 200


def test_what_is_published_meanwhile_is_served(
    repo: Repository, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = served.get("/metadata/timestamp.json")
    repo.publish(version=2)
    after = served.get("/metadata/timestamp.json", If_None_Match=before.headers["etag"])
    assert after.status == 200
    assert after.body != before.body


def test_the_status_lists_the_newest_of_what_there_is(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "LOOK_SECONDS", 0.01)
    repo.publish(version=7)
    repo.publish("testing", "aarch64", "internet", 2)
    stray = repo.path / "targets" / "stable" / "x86_64" / "local" / f"{'0' * 64}.manifest.json"
    stray.write_text("no manifest")
    with serving(repo.path) as served:
        assert served.get("/health").body == b"ok\n"
        served.get(f"/artifacts/{repo.artifact}")
        status = json.loads(served.get("/status").body)
        assert status["systems"] == [
            {"channel": "stable", "arch": "x86_64", "mode": "local", "version": 7},
            {"channel": "testing", "arch": "aarch64", "mode": "internet", "version": 2},
        ]
        assert status["sent_bytes"] >= len(CONTENT)
        assert status["connections"] >= 1
        assert status["uptime_s"] > 0
        repo.publish(version=8)
        while json.loads(served.get("/status").body)["systems"][0]["version"] != 8:
            pass


def test_systems_of_a_copy_may_come_after_its_metadata(repo: Repository) -> None:
    catalogue = Catalogue(repo.path)
    before = set(repo.path.glob("targets/*/*/*/*"))
    repo.publish(version=2)
    (newest,) = set(repo.path.glob("targets/*/*/*/*")) - before
    manifest = newest.read_bytes()
    seen = []
    for arrived in (b"", manifest[:100], manifest):
        newest.write_bytes(arrived)
        catalogue.refresh()
        seen += [each.version for each in catalogue.publications]
    assert seen == [1, 1, 2]


def test_metrics_have_a_loopback_address_of_their_own(repo: Repository) -> None:
    with serving(repo.path, metrics=HostPort("127.0.0.1", 0)) as served:
        assert served.get("/metrics").status == 404
        (event,) = (json.loads(line) for line in served.log.getvalue().splitlines() if '"metrics"' in line)
        port = int(event["address"].split(":")[2].partition("/")[0])
        page = evolve(served, port=port).get("/metrics").body.decode()
        assert 'plasm_provider_responses_total{status="404"} 1.0' in page
        assert 'plasm_provider_system_version{arch="x86_64",channel="stable",mode="local"} 1.0' in page


OUTSIDE = [
    "/", "//", "/artifacts", "/artifacts/", "/metadata/", "/targets/stable/x86_64/local/", "/nothing", "/status/",
    "/artifacts/../outside.json", "/metadata/../../outside.json", "/metadata/..%2f..%2foutside.json",
    "/metadata/%2e%2e/outside.json", "/metadata/%2e%2e%2foutside.json", "/metadata/..\\outside.json",
    "/metadata/link.json", "/metadata/inner.json", "/linked/1.root.json", "/metadata/folder.json",
    "/metadata/.hidden.json", "/.git/config", "/metadata/pipe.json",
    "/metadata/1.root.json%00", "/metadata/1.root.json%00.json", "/metadata%2f1.root.json", "/metadata//1.root.json",
    "/./metadata/1.root.json", "/metadata/1%2eroot.json", "/metadata/1.root.json/", "/metadata/1.root.json;x",
    "/metadata/" + "a" * 5000 + ".json", "/" + "metadata/" * 500, "/metadata/secret.txt", "/artifacts/" + "A" * 64,
    "http://elsewhere/metadata/1.root.json", "/targets/../metadata/x/" + "0" * 64 + ".manifest.json",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path[:40])
def test_nothing_but_the_repositorys_own_files_is_served(repo: Repository, served: Served, path: str) -> None:
    outside = repo.path.parent / "outside.json"
    outside.write_text("secret")
    metadata = repo.path / "metadata"
    (metadata / "link.json").symlink_to(outside)
    (metadata / "inner.json").symlink_to("1.root.json")
    (metadata / "folder.json").mkdir()
    (metadata / ".hidden.json").write_text("secret")
    (metadata / "secret.txt").write_text("secret")
    os.mkfifo(metadata / "pipe.json")
    (repo.path / "linked").symlink_to(metadata)
    answer = served.get(path)
    assert answer.status == 404
    assert b"secret" not in answer.body


def test_a_folder_that_is_a_link_leads_nowhere(repo: Repository, served: Served) -> None:
    elsewhere = repo.path.parent / "elsewhere"
    (repo.path / "artifacts").rename(elsewhere)
    (repo.path / "artifacts").symlink_to(elsewhere)
    assert served.get(f"/artifacts/{repo.artifact}").status == 404


def test_the_repository_itself_may_be_a_link(repo: Repository) -> None:
    link = repo.path.parent / "link"
    link.symlink_to(repo.path)
    with serving(link) as served:
        assert served.get(f"/artifacts/{repo.artifact}").body == CONTENT


def test_a_file_that_is_replaced_while_it_is_sent_is_sent_as_it_was(repo: Repository, served: Served) -> None:
    old, new = os.urandom(2**23), os.urandom(2**20)
    path = repo.path / "metadata" / "snapshot.json"
    path.write_bytes(old)
    with served.connect() as connection:
        connection.sendall(b"GET /metadata/snapshot.json HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        received = connection.recv(1000)
        pending = path.with_name(".pending")
        pending.write_bytes(new)
        pending.replace(path)
        while piece := connection.recv(2**20):
            received += piece
    assert received.partition(b"\r\n\r\n")[2] == old
    assert served.get("/metadata/snapshot.json").body == new
