"""However much a node has stored, nobody waits for what somebody else asks: no query is made by the event loop."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mesh.conftest import MakeJob, World

from plasm import NodeClient
from plasm.contracts import PeerRecord
from plasm.control.client import ControlClient
from plasm.control.server import ROWS_A_LINE
from plasm.jobs.sinks import CollectingSink, NonblockingSink
from plasm.mesh.capability import Requirements
from plasm.node.migrations import MIGRATIONS
from plasm.node.store import MAX_PEERS, Store

pytestmark = pytest.mark.once

MANY = 200_000
NOW_US = time.time_ns() // 1000
FILL = f"""
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MANY})
    INSERT INTO jobs
        SELECT printf('%032x', n), 'peer', printf('%064x', n), 'failed', NULL, {NOW_US} + n / 3, n FROM numbers;
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)
    INSERT INTO receipts SELECT printf('%032x', n), 'peer', 'exited', {NOW_US} + n / 3, '{{"n": 1}}', 8 FROM numbers;
"""


def filled(path: Path, version: int = len(MIGRATIONS)) -> Path:
    """A store of this version that has a great many jobs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(path)
    store.executescript("".join(MIGRATIONS[:version]) + f"PRAGMA user_version = {version};" + FILL)
    store.close()
    return path


class Watched(sqlite3.Connection):
    """Notes in which threads queries are made, and the most rows that were taken at once."""

    threads: set[int] = set()  # noqa: RUF012 - it is patched in for one test
    most_rows = 0

    def execute(self, *query: Any) -> sqlite3.Cursor:
        self.threads.add(threading.get_ident())
        return self.cursor(WatchedCursor).execute(*query)


class WatchedCursor(sqlite3.Cursor):
    def fetchall(self) -> list[Any]:
        rows = super().fetchall()
        Watched.most_rows = max(Watched.most_rows, len(rows))
        return rows


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Watched))
    monkeypatch.setattr(Watched, "threads", set())
    monkeypatch.setattr(Watched, "most_rows", 0)
    return Watched


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(main, backend="trio")


def test_a_long_list_keeps_nobody_waiting(mesh: World, job: MakeJob, hello: Path, watched: type[Watched]) -> None:
    filled(mesh.config("node").state_dir / "node.sqlite")
    path = mesh.config("node").runtime_dir / "control.sock"

    def ask_while_a_list_is_read(peer: str) -> list[str]:
        with ControlClient(path) as slow, ControlClient(path) as other:
            slow.send("request", {"do": "jobs", "limit": MANY // 2})
            lines = [slow.receive()]
            # More is to come than fits on the way, so the list is not yet made in full when the others are answered.
            assert other.ask("status", more=True)["jobs"] == {"failed": MANY}
            assert len(other.ask("receipts", more=True, limit=1000)) == 1000
            assert other.ask("receipt", more=True, job=f"{1:032x}") == {"n": 1}
            assert other.ask("peers", seconds=0.1) == []
            to_peer = NodeClient(peers=[PeerRecord.parse(peer)], connect=lambda: ControlClient(path))
            assert str(to_peer.submit(job(hello, "x"), CollectingSink()).peer) in peer
            while lines[-1][0] == "rows":
                lines.append(slow.receive())
        assert {len(rows) for _, rows in lines} == {ROWS_A_LINE}
        return [row["job"] for _, rows in lines for row in rows]

    async def main() -> tuple[int, list[str]]:
        async with mesh.node() as node, mesh.node("other") as other, mesh.client(node.record) as client:
            mine = job(hello, "x")
            listed = await anyio.to_thread.run_sync(ask_while_a_list_is_read, f"/memory/1/p2p/{other.record.peer}")
            await client.run(mine, NonblockingSink(CollectingSink()), Requirements.of(mine.manifest))
        return threading.get_ident(), listed

    loop, listed = run(main)
    assert listed == [f"{n:032x}" for n in range(MANY, MANY // 2, -1)]
    assert watched.threads
    assert loop not in watched.threads
    assert 0 < watched.most_rows <= max(ROWS_A_LINE, MAX_PEERS)


def test_what_was_stored_before_it_was_counted_is_counted(tmp_path: Path) -> None:
    store = Store(filled(tmp_path / "node.sqlite", version=3))
    assert store.outcomes() == {"failed": MANY}
    store.accepted("a", "peer", store.jobs(1)[0].module)
    assert store.outcomes() == {"failed": MANY}
    store.ended("a", "gone")
    assert store.outcomes() == {"failed": MANY, "gone": 1}
    assert store.prune(keep_age_s=10**9, keep_bytes=8 * 100).receipts == 900
    assert len(store.receipts(1000)) == 100
    store.close()


MIGRATE_AND_DIE = """
import os, signal, sqlite3, sys
from functools import partial
from pathlib import Path
from plasm.node.store import Store

class Mortal(sqlite3.Connection):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.steps = 0
        self.set_progress_handler(self.step, 10_000)

    def step(self):
        self.steps += 1
        if self.steps > int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

sqlite3.connect = partial(sqlite3.connect, factory=Mortal)
Store(Path(sys.argv[1])).close()
"""


def test_a_node_that_is_killed_while_it_counts_begins_again_and_loses_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path / "node.sqlite", version=3)
    for steps in (0, 1, 10, 100, 200):
        done = subprocess.run(
            [sys.executable, "-c", MIGRATE_AND_DIE, str(path), str(steps)], check=False, env=os.environ
        )
        assert done.returncode == -signal.SIGKILL
    store = Store(path)
    assert store.outcomes() == {"failed": MANY}
    assert len(store.receipts(10**6)) == 1000
    store.close()
