"""A full disk and a shared cache: clear errors, nothing damaged, nothing half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from world import Plasm, Wasm, plasm_environment

# A new user and mount namespace, in which we may mount a disk of a size that we choose.
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
ON_A_SMALL_DISK = 'mount -t tmpfs -o size="$1",mode=755 tmpfs "$2" && shift 2 && exec "$@"'


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = [*NAMESPACE, "mount -t tmpfs tmpfs /mnt", "sh"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


small_disk = pytest.mark.skipif(not can_mount(), reason="this machine lets us mount nothing in a namespace of our own")

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Run:
    """Runs a shell script with a disk of so many kilobytes, all of it at ``$DISK``."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def run(kilobytes: int, script: str) -> subprocess.CompletedProcess[bytes]:
        command = [*NAMESPACE, ON_A_SMALL_DISK, "sh", f"{kilobytes}k", str(disk), "sh", "-c", script]
        environment = plasm_environment(DISK=str(disk), PLASM=f"{sys.executable} -m plasm")
        return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)

    return run


@small_disk
def test_a_cache_without_room_costs_time_only(on_small_disk: Run, hello: Path) -> None:
    done = on_small_disk(
        8,
        f"""
        export PLASM_HOME=$DISK/home
        $PLASM run {hello} abc && $PLASM run {hello} def
        find $DISK/home/cache/modules -type f
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"cba\nfed\n", b"")


@small_disk
def test_a_receipt_without_room_is_an_error_and_leaves_nothing(on_small_disk: Run, hello: Path, plasm: Plasm) -> None:
    plasm("identity", "new")
    done = on_small_disk(
        8,
        f"""
        echo the old one > $DISK/receipt
        head -c 100000 /dev/zero > $DISK/filler 2>/dev/null
        $PLASM run {hello} abc --receipt $DISK/receipt; echo status $?
        cat $DISK/receipt; ls -A $DISK
        """,
    )
    assert done.stdout == b"cba\nstatus 125\nthe old one\nfiller\nreceipt\n", done
    assert done.stderr.count(b"\n") == 1
    assert b"error[unwritable-output]" in done.stderr
    assert b"o space left on device" in done.stderr


def test_a_receipt_onto_a_full_device_is_an_error(plasm: Plasm, hello: Path) -> None:
    done = plasm("run", hello, "abc", "--receipt", "/dev/full", "--quiet")
    assert done.returncode == 125
    assert b"error[unwritable-output]: /dev/full" in done.stderr
    assert b"o space left on device" in done.stderr


@small_disk
def test_an_identity_without_room_is_an_error_and_leaves_nothing(on_small_disk: Run) -> None:
    done = on_small_disk(
        4,
        """
        export PLASM_HOME=$DISK/home
        head -c 100000 /dev/zero > $DISK/filler 2>/dev/null
        $PLASM identity new; echo status $?
        find $DISK -type f -name "*ed25519*"
        """,
    )
    assert done.stdout == b"status 125\n"
    assert b"error[unwritable-output]" in done.stderr
    assert b"o space left on device" in done.stderr


def test_two_processes_share_a_cache(wasm: Wasm, hello: Path, plasm_home: Path) -> None:
    """Eight at once compile, store and load the same two modules."""
    other = wasm('(module (memory (export "memory") 1) (func (export "_start")))')
    commands = [[sys.executable, "-m", "plasm", "run", str(path), "abc"] for path in (hello, other)] * 4
    running = [
        subprocess.Popen(command, env=plasm_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for command in commands
    ]
    ended = [(process.communicate(timeout=120), process.returncode) for process in running]
    assert ended == [((b"cba\n", b""), 0), ((b"", b""), 0)] * 4
    entries = list((plasm_home / "cache" / "modules" / "wasmtime").iterdir())
    assert len(entries) == 2
    assert not any(entry.name.endswith(".part") for entry in entries)
    assert all(os.stat(entry).st_mode & 0o077 == 0 for entry in entries)
