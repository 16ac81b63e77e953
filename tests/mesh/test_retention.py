"""A node forgets what its operator does not want kept, says so, and does not fall over a store that is full."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mesh.processes import TCP, NodeProcess

from plasm.model import Outcome, Sha256
from plasm.node.retention import Retention, prune
from plasm.node.store import Store
from plasm.ops.log import Log


def pruned(store: Store, retention: Retention) -> list[dict[str, Any]]:
    stream = io.StringIO()
    anyio.run(prune, store, retention, Log(stream), backend="trio")
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def filled(path: Path) -> Store:
    store = Store(path)
    for number in range(3):
        store.accepted(str(number), "peer", Sha256("ab" * 32))
        store.finished(str(number), "peer", 1, Outcome.exited(0), bytes(100))
    return store


@pytest.mark.parametrize(
    ("retention", "went"),
    [
        (Retention(max_age_ms=10**15), []),
        (Retention(max_age_ms=10**15, max_bytes=250), [("pruned", 0, 1)]),
        (Retention(max_age_ms=3_600_000), [("pruned", 0, 3)]),  # the receipts are from 1970, the jobs from now
        (Retention(max_age_ms=0), [("pruned", 3, 3)]),
    ],
)
def test_what_goes_is_told_and_nothing_where_nothing_goes(
    tmp_path: Path, retention: Retention, went: list[tuple[str, int, int]]
) -> None:
    lines = pruned(filled(tmp_path / "node.sqlite"), retention)
    assert [(line["event"], line["jobs"], line["receipts"]) for line in lines] == went


def test_a_store_that_cannot_be_written_is_told_and_ends_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path / "node.sqlite")
    store._database.execute("PRAGMA query_only = 1")
    (line,) = pruned(store, Retention(max_age_ms=0))
    assert (line["event"], line["code"]) == ("pruning-failed", "unwritable-output")


def test_the_configuration_decides_and_a_node_forgets_when_it_starts(plasm_home: Path) -> None:
    filled(plasm_home / "state" / "node.sqlite").close()
    (plasm_home / "config").mkdir()
    (plasm_home / "config" / "config.toml").write_text('[store]\nkeep_age = "36500d"\nkeep_size = 150\n')
    node = NodeProcess(plasm_home, "--listen", TCP, "--discovery", "none", "--workers", "1")
    (line,) = node.until("pruned")
    assert (line["jobs"], line["receipts"]) == (0, 2)
    assert node.stop() == 0
