"""What a node keeps: receipts that are on the disk before they are sent, and modules that nobody can swap."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from plasm.artifacts.modules import Module
from plasm.artifacts.store import ModuleStore
from plasm.errors import UnwritableOutput
from plasm.node.ledger import ReceiptLedger

WRITER = """
import sys
from pathlib import Path
from plasm.node.ledger import ReceiptLedger
ledger = ReceiptLedger(Path(sys.argv[1]))
for number in range(10**6):
    ledger.keep(f"{number:032}", "peer", number, "exited", b"receipt")
    print(f"{number:032}", flush=True)
"""


def test_a_receipt_that_was_kept_is_there_again(tmp_path: Path) -> None:
    ledger = ReceiptLedger(tmp_path / "state" / "receipts.sqlite")
    ledger.keep("a" * 32, "peer", 1, "exited", b"receipt")
    ledger.close()
    again = ReceiptLedger(tmp_path / "state" / "receipts.sqlite")
    assert again.get("a" * 32) == b"receipt"
    assert again.get("b" * 32) is None
    again.close()
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    assert (tmp_path / "state" / "receipts.sqlite").stat().st_mode & 0o077 == 0


def test_a_writer_that_is_killed_loses_nothing_that_it_said_it_kept(tmp_path: Path) -> None:
    path = tmp_path / "receipts.sqlite"
    for _ in range(5):
        path.unlink(missing_ok=True)
        for rest in tmp_path.glob("receipts.sqlite-*"):
            rest.unlink()
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline().strip().decode() for _ in range(20)]
            os.kill(writer.pid, signal.SIGKILL)
            said += [line.decode().strip() for line in writer.stdout if line.endswith(b"\n")]
        ledger = ReceiptLedger(path)
        assert all(ledger.get(job) == b"receipt" for job in said)
        ledger.close()


def test_what_is_no_ledger_is_told_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "receipts.sqlite"
    path.write_bytes(b"something else entirely, long enough to be read as a header" * 20)
    with pytest.raises(UnwritableOutput, match=r"receipts\.sqlite"):
        ReceiptLedger(path)
    assert path.read_bytes().startswith(b"something else")


def test_a_ledger_of_a_newer_version_is_told_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "receipts.sqlite"
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(UnwritableOutput, match="version 99"):
        ReceiptLedger(path)


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
