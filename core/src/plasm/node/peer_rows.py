"""What is told of a peer, as JSON has it (docs/control.md); times are whole seconds since the Unix epoch."""

from __future__ import annotations

import time
from typing import Any

from plasm.node.store import PeerRow
from plasm.submission.submitter import Candidate


def answered_row(candidate: Candidate) -> dict[str, Any]:
    """A peer that has just answered."""
    record, now = candidate.record, int(time.time())
    return {
        "peer": str(record.peer),
        "state": "answered",
        "address": candidate.connection.address,
        "arch": record.arch,
        "runtimes": [f"{runtime.name} {runtime.version}" for runtime in record.runtimes],
        "memory": record.memory,
        "workers": record.workers,
        "version": record.version,
        "latency_ms": round(candidate.latency * 1000, 1),
        "seen": now,
        "last_seen": now,
    }


def known_row(row: PeerRow) -> dict[str, Any]:
    """A peer that is known from before and has not answered: what only an answer tells is ``None``."""
    seen = row.last_seen_us // 10**6
    return {
        "peer": row.peer,
        "state": "known",
        "address": row.addresses[0] if row.addresses else None,
        "arch": row.arch,
        "runtimes": list(row.runtimes),
        "memory": None,
        "workers": None,
        "version": None,
        "latency_ms": None,
        "seen": seen,
        "last_seen": seen,
    }


def history(row: PeerRow | None) -> dict[str, Any]:
    """What a node remembers of a peer; nothing where it could not write it down."""
    if row is None:
        return {"first_seen": None, "jobs_run": 0, "jobs_failed": 0, "jobs_given": 0}
    return {
        "first_seen": row.first_seen_us // 10**6,
        "jobs_run": row.jobs_run,
        "jobs_failed": row.jobs_failed,
        "jobs_given": row.jobs_given,
    }
