"""``plasm run`` as people and scripts use it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import EXIT, FLOOD, LOOP, UNREACHABLE
from world import Plasm, Wasm, plasm_environment


def test_the_output_passes_through(plasm: Plasm, hello: Path) -> None:
    done = plasm("run", hello, "Hello, World")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"dlroW ,olleH\n", b"")


def test_our_own_stdin_is_the_jobs(plasm: Plasm, hello: Path) -> None:
    assert plasm("run", hello, input=b"abc\ndef\n").stdout == b"cba\nfed\n"


def test_stdin_may_be_a_file(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"abc\n" * 100_000)
    assert plasm("run", hello, "--stdin", tmp_path / "in").stdout == b"cba\n" * 100_000


def test_what_follows_two_dashes_is_the_jobs(plasm: Plasm, hello: Path) -> None:
    assert plasm("run", hello, "--", "--json").stdout == b"nosj--\n"


def test_an_option_after_the_module_is_still_ours(plasm: Plasm, hello: Path) -> None:
    assert json.loads(plasm("run", hello, "abc", "--json").stdout)["stdout"] == {"text": "cba\n"}


def test_an_unknown_option_is_not_passed_on_silently(plasm: Plasm, hello: Path) -> None:
    done = plasm("run", hello, "--recipt", "x")
    assert done.returncode == 125
    assert b"--recipt" in done.stderr
    assert b"after --" in done.stderr


@pytest.mark.parametrize(("code", "status"), [(0, 0), (1, 1), (42, 42), (123, 123), (124, 123), (255, 123)])
def test_the_exit_code_is_the_jobs_up_to_123(plasm: Plasm, wasm: Wasm, code: int, status: int) -> None:
    done = plasm("run", wasm(EXIT % code), "--json")
    assert done.returncode == status
    assert json.loads(done.stdout)["outcome"] == {"kind": "exited", "exit_code": code, "trap": None}


def test_a_trap_is_134(plasm: Plasm, wasm: Wasm) -> None:
    done = plasm("run", wasm(UNREACHABLE))
    assert done.returncode == 134
    assert done.stderr == b"plasm: the job trapped: unreachable\n"


def test_the_deadline_is_124_and_says_which_limit(plasm: Plasm, wasm: Wasm) -> None:
    done = plasm("run", wasm(LOOP), "--timeout", "100ms")
    assert done.returncode == 124
    assert b"wall_time = 100ms" in done.stderr
    assert b"--timeout" in done.stderr


def test_fuel_is_126(plasm: Plasm, wasm: Wasm) -> None:
    done = plasm("run", wasm(LOOP), "--fuel", "100000")
    assert done.returncode == 126
    assert b"fuel = 100000" in done.stderr


def test_the_output_limit_lets_just_that_much_through(plasm: Plasm, wasm: Wasm) -> None:
    done = plasm("run", wasm(FLOOD), "--output-limit", "1000B")
    assert done.returncode == 126
    assert len(done.stdout) == 1000
    assert b"output = 1000B" in done.stderr


def test_more_memory_than_allowed_is_126(plasm: Plasm, wasm: Wasm) -> None:
    done = plasm("run", wasm('(module (memory 100) (func (export "_start")))'), "--memory", "1MiB")
    assert done.returncode == 126
    assert b"memory = 1MiB" in done.stderr


def test_quiet_says_nothing_of_our_own(plasm: Plasm, wasm: Wasm) -> None:
    done = plasm("run", wasm(UNREACHABLE), "--quiet")
    assert (done.returncode, done.stderr) == (134, b"")


def test_the_job_inherits_no_variable(plasm: Plasm, wasm: Wasm) -> None:
    count = wasm("""
        (module
          (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (func (export "_start")
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (call $exit (i32.load (i32.const 0)))))
    """)
    assert plasm("run", count).returncode == 0
    assert plasm("run", count, "--env", "A=1", "--env", "B=with = in it").returncode == 2


def test_a_folder_is_seen_and_read_only_means_it(plasm: Plasm, tmp_path: Path) -> None:
    digest = Path(__file__).parents[2] / "examples" / "digest" / "digest.wasm"
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"content")
    expected = f"{hashlib.sha256(b'content').hexdigest()}  a.txt\n"
    assert plasm("run", digest, "--dir", f"{folder}:/data:ro").stdout.decode() == expected


def test_a_manifest_gives_arguments_and_the_command_line_wins(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "job.toml"
    manifest.write_text('[invocation]\nargs = ["abc"]\n[limits]\nwall_time = "2s"\nmemory = "16MiB"\n')
    document = json.loads(plasm("run", hello, "--manifest", manifest, "--json").stdout)
    assert document["stdout"] == {"text": "cba\n"}
    assert plasm("run", hello, "def", "--manifest", manifest).stdout == b"fed\n"


def test_a_manifest_names_its_module(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "job.json"
    manifest.write_text(json.dumps({"module": hashlib.sha256(hello.read_bytes()).hexdigest()}))
    assert plasm("run", hello, "ab", "--manifest", manifest).stdout == b"ba\n"
    manifest.write_text(json.dumps({"module": "0" * 64}))
    done = plasm("run", hello, "ab", "--manifest", manifest)
    assert done.returncode == 125
    assert b"the manifest names module 000000000000" in done.stderr


def test_json_carries_output_usage_and_receipt(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    document = json.loads(plasm("run", hello, "Hello, World", "--json").stdout)
    assert document["exit_status"] == 0
    assert document["usage"]["wall_time_us"] > 0
    assert document["usage"]["peak_memory"] >= 65536
    receipt = tmp_path / "receipt.json"
    receipt.write_text(json.dumps(document["receipt"]))
    (tmp_path / "out").write_bytes(b"dlroW ,olleH\n")
    assert plasm("verify", receipt, "--stdout", tmp_path / "out").returncode == 0


def test_json_writes_what_is_not_text_as_base64(plasm: Plasm, hello: Path) -> None:
    document = json.loads(plasm("run", hello, "--json", input=b"\xff\xfe\n").stdout)
    assert document["stdout"] == {"base64": "/v8K"}


def test_an_error_is_json_where_json_is_asked_for(plasm: Plasm, tmp_path: Path) -> None:
    done = plasm("run", tmp_path / "none.wasm", "--json")
    assert done.returncode == 125
    assert json.loads(done.stdout)["error"]["code"] == "unreadable-input"


def test_a_receipt_of_the_older_protocol(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    receipt = tmp_path / "old.json"
    assert plasm("run", hello, "x", "--receipt", receipt, "--receipt-format", "0.1").returncode == 0
    assert json.loads(receipt.read_bytes())["version"] == "0.1"
    assert plasm("verify", receipt, "--module", hello).returncode == 0


def test_the_first_run_makes_an_identity_and_later_ones_keep_it(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    first = plasm("run", hello, "x", "--receipt", tmp_path / "1")
    second = plasm("run", hello, "x", "--receipt", tmp_path / "2")
    peer_id = plasm("identity").stdout.strip()
    assert peer_id in first.stderr
    assert second.stderr == b""
    assert plasm("verify", tmp_path / "1", "--signer", peer_id.decode()).returncode == 0
    assert plasm("verify", tmp_path / "2", "--signer", peer_id.decode()).returncode == 0


def start(*arguments: object, **settings: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "plasm", *map(str, arguments)],
        env=plasm_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **settings,
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_job_and_the_receipt_says_cancelled(
    plasm: Plasm, wasm: Wasm, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    receipt = tmp_path / "receipt.json"
    with start("run", wasm(FLOOD), "--output-limit", "1GiB", "--receipt", receipt) as process:
        assert process.stdout is not None
        process.stdout.read(1)  # the job runs, and we do not read on
        process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode == status
    claims = json.loads(plasm("verify", receipt, "--json").stdout)["claims"]
    assert claims["predicate"]["outcome"] == {"kind": "cancelled"}


def test_the_document_has_the_exit_status_that_the_command_leaves_with(wasm: Wasm) -> None:
    with start("run", wasm(LOOP), "--timeout", "1h", "--json") as process:
        while not any(_processor_seconds(worker) > 1 for worker in _children_of(process.pid)):
            assert process.poll() is None, "the command ended before its job ran"
        process.send_signal(signal.SIGTERM)
        document, _ = process.communicate(timeout=20)
    assert process.returncode == json.loads(document)["exit_status"] == 128 + signal.SIGTERM


def _processor_seconds(pid: int) -> float:
    """More than starting a worker takes is what its job has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_a_closed_stdout_stops_the_job(wasm: Wasm) -> None:
    with start("run", wasm(FLOOD), "--output-limit", "1GiB") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(timeout=20) == 141
        assert b"Traceback" not in process.stderr.read()


def test_no_process_is_left_behind(plasm: Plasm, wasm: Wasm) -> None:
    module = wasm(LOOP)
    with start("run", module, "--timeout", "1h") as process:
        workers: list[int] = []
        while not workers:
            assert process.poll() is None, "the command ended before it had a worker"
            workers = _children_of(process.pid)
        process.kill()
        process.communicate()
        for pid in workers:
            descriptor = _pidfd(pid)
            if descriptor is not None:
                import select

                assert select.select([descriptor], [], [], 20)[0], "the worker outlived its parent"
                os.close(descriptor)


def _children_of(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except FileNotFoundError:
        pytest.skip("this kernel does not list children in /proc")


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
