"""Standard streams that are closed, whose reader has gone or whose disk is full: the right exit status, the receipt
all the same, and never a traceback."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from jobs import EXIT
from world import Wasm, plasm_environment

STDIN, STDOUT, STDERR = range(3)
WRITES = """
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\05\\00\\00\\00")
  (data (i32.const 16) "text\\n")
  (func (export "_start") (drop (call $write (i32.const %d) (i32.const 0) (i32.const 1) (i32.const 8)))))
"""


def command(
    *arguments: object, closed: Iterable[int] = (), full: Iterable[int] = (), env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Run the command with some of its standard streams closed, and with others on a full disk."""

    def prepare() -> None:
        for descriptor in full:
            os.dup2(os.open("/dev/full", os.O_WRONLY), descriptor)
        for descriptor in closed:
            os.close(descriptor)

    done = subprocess.run(
        [sys.executable, "-m", "plasm", *map(str, arguments)],
        env=plasm_environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=prepare,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert "internal-error" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "closed", [found for size in range(4) for found in itertools.combinations(range(3), size)], ids=str
)
def test_a_job_runs_whichever_streams_are_closed(hello: Path, tmp_path: Path, closed: tuple[int, ...]) -> None:
    receipt = tmp_path / "receipt.json"
    status, out, _ = command("run", hello, "abc", "--receipt", receipt, closed=closed)
    assert status == (141 if STDOUT in closed else 0)
    assert out == ("" if STDOUT in closed else "cba\n")
    kind = "cancelled" if STDOUT in closed else "exited"
    assert command("verify", receipt)[0] == 0
    assert json.loads(command("verify", receipt, "--json")[1])["claims"]["predicate"]["outcome"]["kind"] == kind


def test_a_job_that_writes_nothing_needs_no_stdout(wasm: Wasm) -> None:
    assert command("run", wasm(EXIT % 7), closed=[STDOUT])[0] == 7


def test_what_a_job_writes_to_a_closed_stderr_is_lost(wasm: Wasm) -> None:
    assert command("run", wasm(WRITES % STDERR), closed=[STDERR]) == (0, "", "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words", [("--version",), ("--help",), ("run", "--help"), ("schema", "manifest"), ("identity",)]
)
def test_what_is_printed_to_a_closed_stdout_or_a_full_disk(words: tuple[str, ...], unbuffered: str) -> None:
    env = {"PYTHONUNBUFFERED": unbuffered}
    assert command("identity", "new")[0] == 0
    assert command(*words, closed=[STDOUT], env=env) == (141, "", "")
    status, _, errors = command(*words, full=[STDOUT], env=env)
    assert status == 125
    assert "error[unwritable-output]: the output cannot be written: No space left on device" in errors


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_document_for_a_full_disk_or_nobody_comes_after_the_receipt(
    hello: Path, tmp_path: Path, unbuffered: str
) -> None:
    env = {"PYTHONUNBUFFERED": unbuffered}
    assert command("run", hello, "abc", "--json", "--receipt", tmp_path / "1", closed=[STDOUT], env=env)[0] == 141
    status, _, errors = command("run", hello, "abc", "--json", "--receipt", tmp_path / "2", full=[STDOUT], env=env)
    assert (status, "error[unwritable-output]" in errors) == (125, True)
    for name in ("1", "2"):
        assert command("verify", tmp_path / name)[0] == 0
    assert command("run", tmp_path / "none.wasm", "--json", full=[STDOUT], env=env)[0] == 125


def test_output_that_a_full_disk_does_not_take_stops_the_job_and_is_told(hello: Path, tmp_path: Path) -> None:
    status, _, errors = command("run", hello, "abc", "--receipt", tmp_path / "receipt.json", full=[STDOUT])
    assert status == 125
    assert "error[unwritable-output]: the job's stdout cannot be passed on: No space left on device" in errors
    claims = json.loads(command("verify", tmp_path / "receipt.json", "--json")[1])["claims"]
    assert claims["predicate"]["outcome"] == {"kind": "cancelled"}


def test_messages_that_cannot_be_written_change_no_exit_status(hello: Path, wasm: Wasm) -> None:
    assert command("run", wasm(EXIT % 200), full=[STDERR])[0] == 123
    assert command("run", "/nonexistent.wasm", full=[STDERR])[0] == 125
    assert command("run", "/nonexistent.wasm", full=[STDOUT, STDERR])[0] == 125
    assert command(full=[STDERR])[0] == 125
