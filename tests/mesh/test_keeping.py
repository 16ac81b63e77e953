"""What a node keeps: receipts that are on the disk before they are sent, peers, and modules that nobody can swap."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plasm.artifacts.modules import Module
from plasm.artifacts.store import ModuleStore
from plasm.errors import UnwritableOutput
from plasm.model import Outcome
from plasm.node.migrations import MIGRATIONS
from plasm.node.store import MAX_ADDRESSES, MAX_PEERS, JobState, Pruned, Store

pytestmark = pytest.mark.once

KILLS = 200
WRITER = """
import itertools, os, random, signal, sys, time
from pathlib import Path
from plasm.model import Outcome
from plasm.node.store import Store

path, said = Path(sys.argv[1]), set()
for kill in range(int(sys.argv[2])):
    reading, writing = os.pipe()
    writer = os.fork()
    if not writer:
        store = Store(path)
        for number in itertools.count():
            job = f"{kill:016}{number:016}"
            store.accepted(job, "peer", "ab" * 32, given=True)
            store.finished(job, "peer", time.time_ns() // 1000, Outcome.exited(0), b"receipt of " + job.encode())
            store.peer_answered(f"peer {kill}", f"/memory/{number}", "x86_64", ["wasmtime 1"])
            os.write(writing, job.encode())
    os.close(writing)
    said.add(os.read(reading, 32))
    patience = time.monotonic() + random.random() * 0.02
    while time.monotonic() < patience:
        said.add(os.read(reading, 32))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    while job := os.read(reading, 32):
        said.add(job)
    os.close(reading)
store = Store(path)
assert all(store.receipt(job.decode()) == b"receipt of " + job for job in said)
assert store.outcomes()["exited"] >= len(said)
assert all(row.state != "running" for row in store.jobs(10**9))
met = {row.peer: row for row in store.peers(10**9)}
assert met.pop("peer").jobs_given >= len(said)
assert met.keys() == {f"peer {kill}" for kill in range(int(sys.argv[2]))}
assert all(row.addresses for row in met.values())
print(len(said))
"""


def test_a_receipt_that_was_kept_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "state" / "node.sqlite"
    store = Store(path)
    store.accepted("a" * 32, "peer", MODULE.digest)
    store.finished("a" * 32, "peer", 1, Outcome.exited(3), b"receipt")
    store.close()
    again = Store(path)
    assert again.receipt("a" * 32) == b"receipt"
    assert again.receipt("b" * 32) is None
    (job,), (receipt,) = again.jobs(10), again.receipts(10)
    assert (job.job, job.state, job.outcome, job.module) == ("a" * 32, "finished", "exited", MODULE.digest)
    assert (receipt.job, receipt.outcome, receipt.finished_us) == ("a" * 32, "exited", 1)
    assert again.outcomes() == {"exited": 1}
    again.close()
    assert path.parent.stat().st_mode & 0o077 == 0
    assert path.stat().st_mode & 0o077 == 0


def test_a_writer_that_is_killed_at_any_point_loses_nothing_that_it_said_it_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "node.sqlite"), str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= KILLS


def test_jobs_that_ran_when_the_node_ended_are_lost(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    for name, state in (("a", None), ("b", JobState.FAILED), ("c", JobState.GONE)):
        store.accepted(name, "peer", MODULE.digest)
        if state is not None:
            store.ended(name, state)
    store.close()
    again = Store(tmp_path / "node.sqlite")
    assert {row.job: row.state for row in again.jobs(10)} == {"a": "lost", "b": "failed", "c": "gone"}
    again.close()


def test_what_is_old_or_too_much_is_forgotten_and_running_jobs_are_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    now = time.time_ns() // 1000
    for number in range(10):
        store.accepted(str(number), "peer", MODULE.digest)
        store.finished(str(number), "peer", now - (10 - number) * 1_000_000, Outcome.exited(0), bytes(100))
    store.accepted("running", "peer", MODULE.digest)
    assert store.prune(keep_age_s=3600, keep_bytes=450) == Pruned(jobs=0, receipts=6)
    assert [row.job for row in store.receipts(10)] == ["9", "8", "7", "6"]
    assert store.prune(keep_age_s=0, keep_bytes=10**9) == Pruned(jobs=10, receipts=4)
    assert [row.job for row in store.jobs(100)] == ["running"]
    store.close()


def test_a_great_many_are_forgotten_in_parts(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    with store._writing("NORMAL") as database:
        for number in range(1000):
            row = (f"{number:04}", "peer", MODULE.digest, JobState.FAILED, None, number, number)
            database.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            database.execute(
                "INSERT INTO receipts VALUES (?, 'peer', 'exited', ?, ?, 10)",
                (f"{number:04}", time.time_ns() // 1000 - 1000 + number, bytes(10)),
            )
    assert store.prune(keep_age_s=3600, keep_bytes=10 * 300) == Pruned(jobs=1000, receipts=700)
    assert [row.job for row in store.receipts(1000)] == [f"{number:04}" for number in range(999, 699, -1)]
    store.close()


def test_a_store_that_is_closed_meanwhile_ends_the_forgetting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "node.sqlite")
    for number in range(100):
        store.accepted(str(number), "peer", MODULE.digest)
        store.ended(str(number), JobState.FAILED)
    monkeypatch.setattr(time, "sleep", lambda _: store.close())
    with pytest.raises(UnwritableOutput, match="closed"):
        store.prune(keep_age_s=0, keep_bytes=0)
    again = Store(tmp_path / "node.sqlite")
    assert 0 < len(again.jobs(1000)) < 100
    again.close()


def test_adding_up_what_is_kept_does_not_read_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    for query in (
        "SELECT coalesce(sum(size), 0) FROM receipts",
        "SELECT job, size FROM receipts ORDER BY finished_us, size, job LIMIT 9",
    ):
        plan = " ".join(row[3] for row in store._read(f"EXPLAIN QUERY PLAN {query}"))
        assert "COVERING INDEX receipts_by_time" in plan
        assert "TEMP" not in plan
    store.close()


def test_a_store_of_an_older_version_keeps_what_it_has(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "node.sqlite") as older:
        older.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        older.execute("INSERT INTO receipts VALUES ('a', 'peer', 'exited', 1, x'0102')")
    older.close()
    store = Store(tmp_path / "node.sqlite")
    assert store.receipt("a") == b"\1\2"
    assert store._read("SELECT size FROM receipts") == [(2,)]
    assert store.peers(10) == []
    store.close()


def test_a_peer_that_was_kept_is_there_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    store.accepted("a" * 32, "a", MODULE.digest, given=True)
    store.peer_answered("b", "/memory/1", "aarch64", ["wasmtime 1", "wasmer 2"])
    store.peer_ran_job("b")
    store.peer_failed_job("b")
    store.close()
    again = Store(tmp_path / "node.sqlite")
    b, a = again.peers(10)
    assert (a.peer, a.addresses, a.arch, a.runtimes) == ("a", (), None, ())
    assert (a.jobs_run, a.jobs_failed, a.jobs_given) == (0, 0, 1)
    assert (b.peer, b.addresses, b.arch, b.runtimes) == ("b", ("/memory/1",), "aarch64", ("wasmtime 1", "wasmer 2"))
    assert (b.jobs_run, b.jobs_failed, b.jobs_given) == (1, 1, 0)
    assert a.first_seen_us <= b.first_seen_us <= b.last_seen_us
    assert again.peers(1) == [b]
    again.close()


def test_of_the_addresses_of_a_peer_those_where_it_answered_last_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    for number in [*range(10), 7]:
        store.peer_answered("a", f"/memory/{number}", "x86_64", [])
    store.peer_answered("a", None, "x86_64", [])
    (row,) = store.peers(10)
    assert row.addresses == ("/memory/7", "/memory/9", "/memory/8", "/memory/6")
    assert len(row.addresses) == MAX_ADDRESSES
    store.close()


def test_of_too_many_peers_the_oldest_go_and_first_those_that_only_came_to_us(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    for number in range(MAX_PEERS // 2):
        store.peer_answered(f"answered {number}", "/memory/1", "x86_64", [])
    for number in range(MAX_PEERS):
        store.accepted(f"{number:032}", f"came {number}", MODULE.digest, given=True)
    kept = [row.peer for row in store.peers(10**9)]
    half = MAX_PEERS // 2
    assert kept[:half] == [f"came {number}" for number in range(MAX_PEERS - 1, half - 1, -1)]
    assert kept[half:] == [f"answered {number}" for number in range(half - 1, -1, -1)]
    for number in range(half, MAX_PEERS + 1):
        store.peer_answered(f"answered {number}", "/memory/1", "x86_64", [])
    assert [row.peer for row in store.peers(10**9)] == [f"answered {number}" for number in range(MAX_PEERS, 0, -1)]
    store.close()


def test_peers_that_were_not_seen_for_too_long_are_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    for number in range(3):
        store.accepted(f"{number:032}", f"{number}", MODULE.digest, given=True)
    store._database.execute("UPDATE peers SET last_seen_us = last_seen_us - 7200000000 WHERE peer != '1'")
    assert store.prune(keep_age_s=3600, keep_bytes=0) == Pruned(jobs=0, receipts=0, peers=2)
    assert [row.peer for row in store.peers(10)] == ["1"]
    store.close()


def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "node.sqlite")
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages + 2}")
    kept: list[str] = []

    def keep() -> None:
        for number in map(str, range(1000)):
            store.accepted(number, "peer", MODULE.digest)
            store.finished(number, "peer", 1, Outcome.exited(0), bytes(1000))
            kept.append(number)

    with pytest.raises(UnwritableOutput, match="full"):
        keep()
    assert sorted(row.job for row in store.receipts(1000)) == sorted(kept)
    store.close()


def test_what_is_no_store_is_told_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite"
    path.write_bytes(b"something else entirely, long enough to be read as a header" * 20)
    with pytest.raises(UnwritableOutput, match=r"node\.sqlite"):
        Store(path)
    assert path.read_bytes().startswith(b"something else")


def test_a_store_of_a_newer_version_is_told_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite"
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(UnwritableOutput, match="version 99"):
        Store(path)


MODULE = Module.of(b"\0asm\1\0\0\0")


def test_a_module_that_was_kept_is_there_again(tmp_path: Path) -> None:
    store = ModuleStore(tmp_path / "modules")
    assert store.get(MODULE.digest) is None
    store.put(MODULE)
    assert store.get(MODULE.digest) == MODULE


def test_a_damaged_module_is_not_there(tmp_path: Path) -> None:
    store = ModuleStore(tmp_path / "modules")
    store.put(MODULE)
    (path,) = store.folder.iterdir()
    path.write_bytes(b"\0asm\1\0\0\0\0")
    assert store.get(MODULE.digest) is None
    assert not path.exists()


def test_a_folder_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    store = ModuleStore(tmp_path / "modules")
    store.folder.mkdir(mode=0o755)
    store.put(MODULE)
    assert list(store.folder.iterdir()) == []
