"""What a node keeps of jobs, receipts and peers, in SQLite: a receipt is durable before it is sent.

One process writes.  A receipt is committed with ``synchronous = FULL``, so it survives a power cut; everything else
with ``NORMAL``, which survives a kill and waits for no disk.  Readers have a connection of their own and do not wait
for the writer.  See https://www.sqlite.org/wal.html.

No query reads more than it returns: lists are read in pages along an index, and sums are kept by triggers.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from plasm.errors import UnwritableOutput
from plasm.model import Outcome, Sha256
from plasm.node.migrations import MIGRATIONS

MAX_PEERS: Final = 512
MAX_ADDRESSES: Final = 4  # of one peer

_PART: Final = 50  # rows that go at once
_PAUSE_SECONDS: Final = 0.01


class JobState(StrEnum):
    """What has become of a job that this node accepted."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"  # it could not be run
    GONE = "gone"  # the client went away
    LOST = "lost"  # the node ended before the job did


@frozen
class JobRow:
    """A job that this node accepted."""

    job: str
    peer: str
    module: str
    state: JobState = field(converter=JobState)
    outcome: str | None
    started_us: int
    finished_us: int | None


@frozen
class ReceiptRow:
    """A receipt that this node issued, of ``size`` bytes."""

    job: str
    peer: str
    outcome: str
    finished_us: int
    size: int


def _texts(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


@frozen
class PeerRow:
    """A peer that has proved its id to this node.  ``addresses`` are where it answered, the latest first; ``arch`` and
    ``runtimes`` what it said that it offers, if it was asked.  It ran ``jobs_run`` jobs of ours and failed
    ``jobs_failed``, and gave us ``jobs_given``."""

    peer: str
    addresses: tuple[str, ...] = field(converter=_texts)
    arch: str | None
    runtimes: tuple[str, ...] = field(converter=_texts)
    first_seen_us: int
    last_seen_us: int
    jobs_run: int
    jobs_failed: int
    jobs_given: int


@frozen
class Pruned:
    """How many jobs, receipts and peers were forgotten."""

    jobs: int
    receipts: int
    peers: int = 0


class Store:
    """The store in the file ``path``; may be used from several threads of one process.

    Jobs that were running when the former process ended become ``lost``.

    Raises:
        UnwritableOutput: the file cannot be opened, or is not a store, or one of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._migrate()
            self._database.execute("UPDATE jobs SET state = ? WHERE state = 'running'", (JobState.LOST,))
            self._readable = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._readable.execute("PRAGMA query_only = 1")
        except (OSError, sqlite3.Error) as error:
            raise UnwritableOutput(f"{path} cannot be used: {error}", hint="check its folder and its disk") from None

    def accepted(self, job: str, peer: str, module: Sha256, *, given: bool = False) -> None:
        """Write down that a job was accepted; ``given``: by a peer that is to be remembered for it.

        Raises:
            UnwritableOutput: it cannot be.
        """
        row = (job, peer, module, JobState.RUNNING, None, time.time_ns() // 1000, None)
        with self._writing("NORMAL") as database:
            database.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if given:
                self._saw(database, peer, "jobs_given = jobs_given + 1")

    def finished(self, job: str, peer: str, finished_us: int, outcome: Outcome, receipt: bytes) -> None:
        """Write down how a job ended, and its receipt; both are on the disk when this returns.

        Raises:
            UnwritableOutput: they are not.
        """
        with self._writing("FULL") as database:
            database.execute(
                "UPDATE jobs SET state = ?, outcome = ?, finished_us = ? WHERE job = ?",
                (JobState.FINISHED, outcome.kind.value, finished_us, job),
            )
            database.execute(
                "INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?)",
                (job, peer, outcome.kind.value, finished_us, receipt, len(receipt)),
            )

    def ended(self, job: str, state: JobState) -> None:
        """Write down that a job ended without a receipt: ``failed`` or ``gone``.

        Raises:
            UnwritableOutput: it cannot be.
        """
        with self._writing("NORMAL") as database:
            database.execute(
                "UPDATE jobs SET state = ?, finished_us = ? WHERE job = ?", (state, time.time_ns() // 1000, job)
            )

    def peer_answered(self, peer: str, address: str | None, arch: str, runtimes: Sequence[str]) -> None:
        """Write down that a peer answered at ``address``, where that is one to come back to, and what it offers.

        Raises:
            UnwritableOutput: it cannot be.
        """
        known = [address] if address is not None else []
        with self._writing("NORMAL") as database:
            for (text,) in database.execute("SELECT addresses FROM peers WHERE peer = ?", (peer,)).fetchall():
                known += (other for other in _texts(text) if other != address)
            addresses, names = json.dumps(known[:MAX_ADDRESSES]), json.dumps(list(runtimes))
            self._saw(database, peer, "addresses = ?, arch = ?, runtimes = ?", addresses, arch, names)

    def peer_ran_job(self, peer: str) -> None:
        """Write down that a peer ran a job of ours.

        Raises:
            UnwritableOutput: it cannot be.
        """
        with self._writing("NORMAL") as database:
            self._saw(database, peer, "jobs_run = jobs_run + 1")

    def peer_failed_job(self, peer: str) -> None:
        """Write down that a peer took a job of ours and did not deliver.

        Raises:
            UnwritableOutput: it cannot be.
        """
        with self._writing("NORMAL") as database:
            self._saw(database, peer, "jobs_failed = jobs_failed + 1")

    def jobs(self, limit: int, after: JobRow | None = None) -> list[JobRow]:
        """The jobs accepted last, newest first; only those that come after the row ``after``, where there is one."""
        query = "SELECT * FROM jobs {} ORDER BY started_us DESC, job DESC LIMIT ?"
        if after is None:
            found = self._read(query.format(""), limit)
        else:
            found = self._read(query.format("WHERE (started_us, job) < (?, ?)"), after.started_us, after.job, limit)
        return [JobRow(*row) for row in found]

    def receipts(self, limit: int, after: ReceiptRow | None = None) -> list[ReceiptRow]:
        """The receipts issued last, newest first; only those that come after the row ``after``, where there is one."""
        query = (
            "SELECT job, peer, outcome, finished_us, size FROM receipts {}"
            " ORDER BY finished_us DESC, size DESC, job DESC LIMIT ?"
        )
        if after is None:
            found = self._read(query.format(""), limit)
        else:
            found = self._read(
                query.format("WHERE (finished_us, size, job) < (?, ?, ?)"),
                after.finished_us,
                after.size,
                after.job,
                limit,
            )
        return [ReceiptRow(*row) for row in found]

    def peers(self, limit: int) -> list[PeerRow]:
        """The peers seen last, latest first."""
        return [PeerRow(*row) for row in self._read("SELECT * FROM peers ORDER BY last_seen_us DESC LIMIT ?", limit)]

    def peers_with_addresses(self, limit: int) -> list[PeerRow]:
        """Of the peers that answered somewhere, those seen last, latest first."""
        query = "SELECT * FROM peers WHERE addresses != '[]' ORDER BY last_seen_us DESC LIMIT ?"
        return [PeerRow(*row) for row in self._read(query, limit)]

    def receipt(self, job: str) -> bytes | None:
        """The receipt of a job, or ``None``."""
        rows = self._read("SELECT receipt FROM receipts WHERE job = ?", job)
        return rows[0][0] if rows else None

    def outcomes(self) -> dict[str, int]:
        """How many jobs ended in which way."""
        return dict(self._read("SELECT ending, jobs FROM jobs_by_ending WHERE jobs > 0"))

    def prune(self, keep_age_s: int, keep_bytes: int) -> Pruned:
        """Forget jobs, receipts and peers older than ``keep_age_s``, and of the rest the oldest until no more than
        ``keep_bytes`` of receipts are left; returns how many went.

        Raises:
            UnwritableOutput: it cannot be written.
        """
        oldest = time.time_ns() // 1000 - keep_age_s * 1_000_000
        jobs = self._forget("jobs", "job", "started_us < ? AND state != ?", oldest, JobState.RUNNING)
        receipts = self._forget("receipts", "job", "finished_us < ?", oldest)
        peers = self._forget("peers", "peer", "last_seen_us < ?", oldest)
        with self._writing("NORMAL") as database:
            (kept,) = database.execute("SELECT bytes FROM receipts_size").fetchone()
        return Pruned(jobs, receipts + self._forget_oldest_receipts(kept - keep_bytes), peers)

    def _forget(self, table: str, key: str, which: str, *values: object) -> int:
        """Delete these rows, a part at a time: who has a job meanwhile does not wait for all of it."""
        part = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {which} LIMIT {_PART})"  # noqa: S608
        gone = 0
        while True:
            with self._writing("NORMAL") as database:
                deleted = database.execute(part, values).rowcount
            gone += deleted
            if deleted < _PART:
                return gone
            time.sleep(_PAUSE_SECONDS)  # a lock that is free for no time is got by nobody else

    def _forget_oldest_receipts(self, excess: int) -> int:
        """Delete the oldest receipts, a part at a time, until ``excess`` bytes of them are gone."""
        query = f"SELECT job, size FROM receipts ORDER BY finished_us, size, job LIMIT {_PART}"  # noqa: S608
        gone = 0
        while excess > 0:
            with self._writing("NORMAL") as database:
                for job, size in database.execute(query).fetchall():
                    if excess > 0:
                        database.execute("DELETE FROM receipts WHERE job = ?", (job,))
                        excess -= size
                        gone += 1
            time.sleep(_PAUSE_SECONDS)
        return gone

    def _saw(self, database: sqlite3.Connection, peer: str, change: str, *values: object) -> None:
        """Note that a peer was here, and a ``change`` to its row; a new one takes the place of another where there are
        too many."""
        now = time.time_ns() // 1000
        new = database.execute(
            "INSERT OR IGNORE INTO peers (peer, first_seen_us, last_seen_us) VALUES (?, ?, ?)", (peer, now, now)
        ).rowcount
        changed = f"UPDATE peers SET last_seen_us = ?, {change} WHERE peer = ?"  # noqa: S608
        database.execute(changed, (now, *values, peer))
        if new:
            # Ids cost nothing to make: those who only come to us do not push out those whom we can go to.
            database.execute(
                "DELETE FROM peers WHERE peer IN (SELECT peer FROM peers"
                " ORDER BY addresses != '[]' DESC, last_seen_us DESC LIMIT -1 OFFSET ?)",
                (MAX_PEERS,),
            )

    def answers(self) -> bool:
        """Whether the file can be read, and no writer holds it up for ever."""
        try:
            with self._lock:
                self._database.execute("SELECT job FROM jobs LIMIT 1").fetchall()
        except sqlite3.Error:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._reading:
            self._readable.close()
            self._database.close()

    def _migrate(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise UnwritableOutput(f"{self._path} is of version {version}", hint="it was made by a newer Plasm")
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            self._database.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")

    def _read(self, query: str, *values: object) -> list[Any]:
        with self._reading:
            return self._readable.execute(query, values).fetchall()

    @contextmanager
    def _writing(self, synchronous: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._database.execute(f"PRAGMA synchronous = {synchronous}")
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                    self._database.execute("COMMIT")
                except BaseException:
                    if self._database.in_transaction:
                        self._database.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise UnwritableOutput(f"{self._path} cannot be written: {error}", hint="check its disk") from None
