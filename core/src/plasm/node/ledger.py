"""The receipts that this node has issued, in SQLite: one is durable before it is sent."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Final

from plasm.errors import UnwritableOutput

_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE receipts (
    job TEXT PRIMARY KEY,
    peer TEXT NOT NULL,
    finished_us INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    receipt BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX receipts_by_time ON receipts (finished_us);
"""


class ReceiptLedger:
    """The ledger in the file ``path``; may be used from several threads.

    Raises:
        UnwritableOutput: the file cannot be opened or is not a ledger of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")
        except (OSError, sqlite3.Error) as error:
            raise UnwritableOutput(f"{path} cannot be used: {error}", hint="check its folder and its disk") from None
        if version not in (0, _SCHEMA_VERSION):
            raise UnwritableOutput(f"{path} is of version {version}", hint="it was made by a newer Plasm")

    def keep(self, job: str, peer: str, finished_us: int, outcome: str, receipt: bytes) -> None:
        """Write a receipt down; it is on the disk when this returns.

        Raises:
            UnwritableOutput: it is not.
        """
        try:
            with self._lock:
                self._database.execute(
                    "INSERT INTO receipts VALUES (?, ?, ?, ?, ?)", (job, peer, finished_us, outcome, receipt)
                )
        except sqlite3.Error as error:
            raise UnwritableOutput(f"{self._path} cannot be written: {error}", hint="check its disk") from None

    def get(self, job: str) -> bytes | None:
        """The receipt of a job, or ``None``."""
        with self._lock:
            row = self._database.execute("SELECT receipt FROM receipts WHERE job = ?", (job,)).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
