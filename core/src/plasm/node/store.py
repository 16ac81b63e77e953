"""What a node keeps of jobs and receipts, in SQLite: a receipt is durable before it is sent.

One process writes.  A receipt is committed with ``synchronous = FULL``, so it survives a power cut; that a job was
accepted with ``NORMAL``, which survives a kill and waits for no disk.  See https://www.sqlite.org/wal.html.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from plasm.errors import UnwritableOutput
from plasm.model import Outcome, Sha256

MIGRATIONS: Final[Sequence[str]] = (
    """
    CREATE TABLE jobs (
        job TEXT PRIMARY KEY,
        peer TEXT NOT NULL,
        module TEXT NOT NULL,
        state TEXT NOT NULL,
        outcome TEXT,
        started_us INTEGER NOT NULL,
        finished_us INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX jobs_by_time ON jobs (started_us);
    CREATE TABLE receipts (
        job TEXT PRIMARY KEY,
        peer TEXT NOT NULL,
        outcome TEXT NOT NULL,
        finished_us INTEGER NOT NULL,
        receipt BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX receipts_by_time ON receipts (finished_us);
    """,
)
"""What makes a store of each version out of the one before it; never changed, only added to."""

RUNNING, FINISHED, FAILED, GONE, LOST = "running", "finished", "failed", "gone", "lost"


@frozen
class JobRow:
    """A job that this node accepted.  ``state`` is ``running``, ``finished``, ``failed`` (it could not be run),
    ``gone`` (the client went away) or ``lost`` (the node ended before the job did)."""

    job: str
    peer: str
    module: str
    state: str
    outcome: str | None
    started_us: int
    finished_us: int | None


@frozen
class ReceiptRow:
    """A receipt that this node issued."""

    job: str
    peer: str
    outcome: str
    finished_us: int


@frozen
class Pruned:
    """How many jobs and receipts were forgotten."""

    jobs: int
    receipts: int


class Store:
    """The store in the file ``path``; may be used from several threads of one process.

    Jobs that were running when the former process ended become ``lost``.

    Raises:
        UnwritableOutput: the file cannot be opened, or is not a store, or one of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._migrate()
            self._database.execute("UPDATE jobs SET state = ? WHERE state = ?", (LOST, RUNNING))
        except (OSError, sqlite3.Error) as error:
            raise UnwritableOutput(f"{path} cannot be used: {error}", hint="check its folder and its disk") from None

    def accepted(self, job: str, peer: str, module: Sha256) -> None:
        """Write down that a job was accepted.

        Raises:
            UnwritableOutput: it cannot be.
        """
        row = (job, peer, module, RUNNING, None, time.time_ns() // 1000, None)
        with self._writing("NORMAL") as database:
            database.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def finished(self, job: str, peer: str, finished_us: int, outcome: Outcome, receipt: bytes) -> None:
        """Write down how a job ended, and its receipt; both are on the disk when this returns.

        Raises:
            UnwritableOutput: they are not.
        """
        with self._writing("FULL") as database:
            database.execute(
                "UPDATE jobs SET state = ?, outcome = ?, finished_us = ? WHERE job = ?",
                (FINISHED, outcome.kind.value, finished_us, job),
            )
            database.execute(
                "INSERT INTO receipts VALUES (?, ?, ?, ?, ?)", (job, peer, outcome.kind.value, finished_us, receipt)
            )

    def ended(self, job: str, state: str) -> None:
        """Write down that a job ended without a receipt: ``failed`` or ``gone``.

        Raises:
            UnwritableOutput: it cannot be.
        """
        with self._writing("NORMAL") as database:
            database.execute(
                "UPDATE jobs SET state = ?, finished_us = ? WHERE job = ?", (state, time.time_ns() // 1000, job)
            )

    def jobs(self, limit: int) -> list[JobRow]:
        """The jobs accepted last, newest first."""
        return [JobRow(*row) for row in self._read("SELECT * FROM jobs ORDER BY started_us DESC LIMIT ?", limit)]

    def receipts(self, limit: int) -> list[ReceiptRow]:
        """The receipts issued last, newest first."""
        columns = "job, peer, outcome, finished_us"
        found = self._read(f"SELECT {columns} FROM receipts ORDER BY finished_us DESC LIMIT ?", limit)  # noqa: S608
        return [ReceiptRow(*row) for row in found]

    def receipt(self, job: str) -> bytes | None:
        """The receipt of a job, or ``None``."""
        rows = self._read("SELECT receipt FROM receipts WHERE job = ?", job)
        return rows[0][0] if rows else None

    def outcomes(self) -> dict[str, int]:
        """How many jobs ended in which way."""
        counted = self._read("SELECT coalesce(outcome, state), count(*) FROM jobs WHERE state != ? GROUP BY 1", RUNNING)
        return dict(counted)

    def prune(self, keep_age_s: int, keep_bytes: int) -> Pruned:
        """Forget jobs and receipts older than ``keep_age_s``, and of the rest the oldest until no more than
        ``keep_bytes`` of receipts are left; returns how many went.

        Raises:
            UnwritableOutput: it cannot be written.
        """
        oldest = time.time_ns() // 1000 - keep_age_s * 1_000_000
        with self._writing("NORMAL") as database:
            old = database.execute("DELETE FROM receipts WHERE finished_us < ?", (oldest,))
            many = database.execute(
                "DELETE FROM receipts WHERE job IN (SELECT job FROM (SELECT job, sum(length(receipt)) "
                "OVER (ORDER BY finished_us DESC, job) AS kept FROM receipts) WHERE kept > ?)",
                (keep_bytes,),
            )
            jobs = database.execute("DELETE FROM jobs WHERE started_us < ? AND state != ?", (oldest, RUNNING))
            return Pruned(jobs=jobs.rowcount, receipts=old.rowcount + many.rowcount)

    def answers(self) -> bool:
        """Whether the file can be read, and no writer holds it up for ever."""
        try:
            self._read("SELECT job FROM jobs LIMIT 1")
        except sqlite3.Error:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _migrate(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise UnwritableOutput(f"{self._path} is of version {version}", hint="it was made by a newer Plasm")
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            self._database.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")

    def _read(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            return self._database.execute(query, values).fetchall()

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
