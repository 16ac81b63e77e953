"""The tables of a node's store, as the steps that lead to them; each is taken once, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
    # With its size in the index, what is kept can be added up without reading all of it.
    """
    ALTER TABLE receipts ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
    UPDATE receipts SET size = length(receipt);
    DROP INDEX receipts_by_time;
    CREATE INDEX receipts_by_time ON receipts (finished_us, size);
    """,
    """
    CREATE TABLE peers (
        peer TEXT PRIMARY KEY,
        addresses TEXT NOT NULL DEFAULT '[]',
        arch TEXT,
        runtimes TEXT NOT NULL DEFAULT '[]',
        first_seen_us INTEGER NOT NULL,
        last_seen_us INTEGER NOT NULL,
        jobs_run INTEGER NOT NULL DEFAULT 0,
        jobs_failed INTEGER NOT NULL DEFAULT 0,
        jobs_given INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    """,
    # What was counted by reading everything is counted as it comes and goes; the few jobs that run are found at once.
    """
    CREATE INDEX jobs_running ON jobs (job) WHERE state = 'running';
    CREATE TABLE jobs_by_ending (ending TEXT PRIMARY KEY, jobs INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO jobs_by_ending
        SELECT coalesce(outcome, state), count(*) FROM jobs WHERE state != 'running' GROUP BY 1;
    CREATE TRIGGER job_came AFTER INSERT ON jobs WHEN NEW.state != 'running' BEGIN
        INSERT INTO jobs_by_ending VALUES (coalesce(NEW.outcome, NEW.state), 1)
            ON CONFLICT (ending) DO UPDATE SET jobs = jobs + 1;
    END;
    CREATE TRIGGER job_ended AFTER UPDATE OF state, outcome ON jobs WHEN NEW.state != 'running' BEGIN
        INSERT INTO jobs_by_ending VALUES (coalesce(NEW.outcome, NEW.state), 1)
            ON CONFLICT (ending) DO UPDATE SET jobs = jobs + 1;
    END;
    CREATE TRIGGER job_ended_otherwise AFTER UPDATE OF state, outcome ON jobs WHEN OLD.state != 'running' BEGIN
        UPDATE jobs_by_ending SET jobs = jobs - 1 WHERE ending = coalesce(OLD.outcome, OLD.state);
    END;
    CREATE TRIGGER job_went AFTER DELETE ON jobs WHEN OLD.state != 'running' BEGIN
        UPDATE jobs_by_ending SET jobs = jobs - 1 WHERE ending = coalesce(OLD.outcome, OLD.state);
    END;
    CREATE TABLE receipts_size (bytes INTEGER NOT NULL);
    INSERT INTO receipts_size SELECT coalesce(sum(size), 0) FROM receipts;
    CREATE TRIGGER receipt_came AFTER INSERT ON receipts BEGIN
        UPDATE receipts_size SET bytes = bytes + NEW.size;
    END;
    CREATE TRIGGER receipt_went AFTER DELETE ON receipts BEGIN
        UPDATE receipts_size SET bytes = bytes - OLD.size;
    END;
    """,
)
"""What makes a store of each version out of the one before it; never changed, only added to."""
