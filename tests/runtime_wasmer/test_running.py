"""Streams flow while a job runs, a job can be ended, and nothing of it is left in the process."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from runtime_wasmer.conftest import make
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import STDERR, STDIN, STDOUT, Guest, Word, command, exiting, wat

from plasm.contracts import Call, Runtime, Terms
from plasm.errors import PluginError
from plasm.model import Invocation, Limits, Outcome, OutcomeKind, TrapKind
from plasm_runtime_wasmer import sdk

TERMS = Terms(Limits())
CANCELLED = Outcome(OutcomeKind.CANCELLED)
FLOOD = Guest().then("(loop $again").write("x" * 1000).then("(br $again))").wasm()
SLEEP = wat(
    """(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 300) "x")
    (func (export "_start")
      (i32.store (i32.const 200) (i32.const 300)) (i32.store (i32.const 204) (i32.const 1))
      (drop (call $write (i32.const 1) (i32.const 200) (i32.const 1) (i32.const 208)))
      (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const 3600000000000))
      (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 400))))"""
)


@pytest.fixture(scope="module")
def echo() -> bytes:
    """A guest that copies standard input to standard output."""
    return wat(
        """(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "_start")
          (loop $more
            (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 65536))
            (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)) (then unreachable))
            (if (i32.load (i32.const 4)) (then
              (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
              (br $more)))))"""
    )


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 10_000_000])
def test_stdin_arrives_whole_and_output_comes_out_whole(run: Run, echo: bytes, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    assert run(echo, stdin=data[:size]).stdout == data[:size]


def test_stdin_may_be_a_file(run: Run, echo: bytes, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"content")
    with (tmp_path / "input").open("rb") as file:
        assert run(echo, stdin=file.fileno()).stdout == b"content"


def test_stdin_that_comes_late_is_waited_for(run: Run) -> None:
    read_end, write_end = os.pipe()
    greeting = Guest().write("ready").read().wasm()
    finished = run(greeting, stdin=read_end, on_output=lambda data: data == b"ready" and os.write(write_end, b"late"))
    assert finished.stdout == b"readylate"
    os.close(write_end)
    os.close(read_end)


@pytest.mark.parametrize("given", [b"", b"x" * 10_000_000])
@pytest.mark.parametrize(
    "guest", [exiting(3), Guest().call("fd_close", STDIN).write("x").wasm(), Guest().read().wasm()]
)
def test_stdin_that_the_job_leaves_is_not_waited_for(run: Run, guest: bytes, given: bytes) -> None:
    assert run(guest, stdin=given).outcome.kind is OutcomeKind.EXITED


def test_stdin_stays_open_for_its_owner(run: Run) -> None:
    read_end, write_end = os.pipe()
    assert run(command(), stdin=read_end).outcome == Outcome.exited(0)
    os.write(write_end, b"for another job")
    assert os.read(read_end, 100) == b"for another job"
    os.close(write_end)
    os.close(read_end)


def writing(*parts: tuple[int, int], end: str = "") -> bytes:
    """A guest that writes so many zeros to a descriptor, then to another, each time until all is written."""
    calls = "".join(f"(call $all (i32.const {descriptor}) (i32.const {size}))" for descriptor, size in parts)
    return wat(
        f"""(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 16)
        (func $all (param $descriptor i32) (param $left i32)
          (loop $more
            (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (local.get $left))
            (if (call $write (local.get $descriptor) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
            (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 8))))
            (br_if $more (local.get $left))))
        (func (export "_start") {calls} {end})"""
    )


def test_output_before_a_trap_arrives_whole(run: Run) -> None:
    finished = run(writing((STDOUT, 200_000), (STDERR, 300_000), end="unreachable"))
    assert finished.outcome == Outcome.trapped(TrapKind.UNREACHABLE)
    assert (finished.stdout, finished.stderr) == (bytes(200_000), bytes(300_000))


def test_a_stream_that_nobody_reads_does_not_hold_up_the_other(runtime: Runtime) -> None:
    stdout, write_stdout = os.pipe()
    stderr, write_stderr = os.pipe()
    seen: list[bytes] = []

    def read_stderr_first() -> None:
        seen.append(os.read(stderr, 100))
        while data := os.read(stdout, 65536):
            seen.append(data)

    reader = threading.Thread(target=read_stderr_first)
    reader.start()
    compiled = runtime.compile(writing((STDERR, 3), (STDOUT, 400_000)), TERMS)
    execution = runtime.execute(compiled, Call(Invocation(), write_stdout, write_stderr), TERMS)
    os.close(write_stdout)
    reader.join()
    for descriptor in (stdout, stderr, write_stderr):
        os.close(descriptor)
    assert execution.outcome == Outcome.exited(0)
    assert (seen[0], b"".join(seen[1:])) == (bytes(3), bytes(400_000))


def test_a_job_whose_output_nobody_reads_any_more_is_ended(runtime: Runtime) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    for module in (FLOOD, Guest().write("x").read().wasm()):
        stdin, silent = os.pipe()
        call = Call(Invocation(), write_end, write_end, stdin)
        assert runtime.execute(runtime.compile(module, TERMS), call, TERMS).outcome == CANCELLED
        os.close(stdin)
        os.close(silent)
    os.close(write_end)
    assert runtime.execute(runtime.compile(command(), TERMS), Call(Invocation(), 1, 2), TERMS).outcome.succeeded


def test_an_output_that_is_not_open_is_named(runtime: Runtime) -> None:
    with pytest.raises(PluginError, match=r"stdout \(descriptor 9999\)"):
        runtime.execute(runtime.compile(command(), TERMS), Call(Invocation(), 9999, 9999), TERMS)


@pytest.mark.parametrize("module", [FLOOD, SLEEP, Guest().write("x").read().wasm()], ids=["flood", "sleep", "read"])
def test_a_running_job_is_cancelled(fresh: Runtime, module: bytes) -> None:
    stdout, write_stdout = os.pipe()
    stdin, silent = os.pipe()
    compiled = fresh.compile(module, TERMS)
    reader = threading.Thread(target=lambda: os.read(stdout, 1) and fresh.interrupt())
    reader.start()
    execution = fresh.execute(compiled, Call(Invocation(), write_stdout, write_stdout, stdin), TERMS)
    reader.join()
    for descriptor in (stdout, write_stdout, stdin, silent):
        os.close(descriptor)
    assert execution.outcome == CANCELLED


def in_a_process(code: str, tmp_path: Path) -> subprocess.CompletedProcess[bytes]:
    """Run ``code`` in a process with a runtime, which ends as a worker does."""
    setting = f"""
import os, sys
from pathlib import Path
from plasm.contracts import Call, Terms
from plasm.model import Invocation, Limits
from runtime_wasmer.conftest import make
from runtime_wasmtime.guests import LOOP, Guest, command, exiting, wat
terms, null = Terms(Limits()), os.open(os.devnull, os.O_RDWR)
runtime = make(Path({str(tmp_path)!r}))
{code}
sys.stdout.flush()
os._exit(0)
"""
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent.parent)])
    environment = {"PYTHONPATH": path, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}
    return subprocess.run(
        [sys.executable, "-c", setting], env=environment, cwd=tmp_path, capture_output=True, check=False, timeout=60
    )


@pytest.mark.parametrize("start", [False, True], ids=["a loop", "a loop in a start section"])
def test_a_job_that_computes_is_cancelled(tmp_path: Path, start: bool) -> None:
    code = f"""
import threading
compiled = runtime.compile(Guest().write("busy").then(LOOP).wasm(start={start}), terms)
output, write_end = os.pipe()
with open("input", "w+b") as stdin:
    stdin.write(bytes(1_000_000))
    stdin.seek(0)
    threading.Thread(target=lambda: (print(os.read(output, 4)), runtime.interrupt())).start()
    print(runtime.execute(compiled, Call(Invocation(), write_end, write_end, stdin.fileno()), terms).outcome.kind)
"""
    assert in_a_process(code, tmp_path).stdout == b"b'busy'\ncancelled\n"


def test_a_request_to_stop_that_comes_too_early_is_remembered(fresh: Runtime) -> None:
    compiled = fresh.compile(SLEEP, TERMS)
    fresh.interrupt()
    assert fresh.execute(compiled, Call(Invocation(), 1, 1), TERMS).outcome == CANCELLED


def test_an_artifact_runs_in_another_process(runtime: Runtime, fresh: Runtime) -> None:
    artifact = runtime.dump(runtime.compile(exiting(70_000), TERMS))
    assert fresh.execute(fresh.load(artifact, TERMS), Call(Invocation(), 1, 2), TERMS).outcome == Outcome.exited(70_000)


def test_memory_is_fresh_for_every_job(runtime: Runtime) -> None:
    compiled = runtime.compile(
        wat(
            """(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1) (global $g (mut i32) (i32.const 0)) (data (i32.const 8) "\\05")
            (func (export "_start") (local $seen i32)
              (local.set $seen (i32.add (i32.load (i32.const 0)) (i32.load8_u (i32.const 8))))
              (local.set $seen (i32.add (local.get $seen) (global.get $g)))
              (global.set $g (i32.const 1))
              (i32.store (i32.const 0) (i32.const 1))
              (i32.store8 (i32.const 8) (i32.const 9))
              (call $exit (local.get $seen)))"""
        ),
        TERMS,
    )
    outcomes = {runtime.execute(compiled, Call(Invocation(), 1, 2), TERMS).outcome for _ in range(5)}
    assert outcomes == {Outcome.exited(5)}


def test_jobs_leave_no_descriptor_and_no_thread_of_ours(tmp_path: Path) -> None:
    code = """
import threading
compiled = runtime.compile(Guest().read().wasm(), terms)
def jobs(count):
    for _ in range(count):
        stdin, feed = os.pipe()
        os.write(feed, b"x")
        assert runtime.execute(compiled, Call(Invocation(), null, null, stdin), terms).outcome.succeeded
        os.close(stdin), os.close(feed)
    return len(os.listdir("/proc/self/fd")), threading.active_count()
print(jobs(3) == jobs(20))
"""
    assert in_a_process(code, tmp_path).stdout == b"True\n"


def test_nothing_is_written_and_no_way_out_opened(tmp_path: Path) -> None:
    nothing = Path(sys.modules["plasm_runtime_wasmer"].__path__[0]) / "nothing"
    before = sorted(nothing.rglob("*"))
    code = """
import socket
for text in ("one", "two"):
    runtime.execute(runtime.compile(Guest().write(text).wasm(), terms), Call(Invocation(), 1, 2), terms)
kinds = set()
for name in os.listdir("/proc/self/fd"):
    try:
        if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
            kinds.add(socket.socket(fileno=int(name)).family.name)
    except OSError:
        pass
print(kinds)
"""
    done = in_a_process(code, tmp_path)
    assert done.stdout == b"onetwo{'AF_UNIX'}\n", done.stderr
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["cache"]
    assert sorted(nothing.rglob("*")) == before


def test_a_process_that_may_write_nowhere_runs_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skeleton = shutil.copytree(sdk._NOTHING, tmp_path / "nothing")
    monkeypatch.setattr(sdk, "_NOTHING", skeleton)
    (tmp_path / "file").touch()
    runtime = make(tmp_path / "file")
    assert runtime.execute(runtime.compile(command(), TERMS), Call(Invocation(), 1, 2), TERMS).outcome.succeeded


def test_the_bound_of_this_process_is_left_alone(run: Run) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    assert run(command()).outcome == Outcome.exited(0)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_naming_the_plugin_does_not_import_the_sdk() -> None:
    code = "import plasm_runtime_wasmer, sys; sys.exit('wasmer_sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def listing(function: str) -> bytes:
    """A guest that writes the texts which ``function`` gives it, each with its NUL."""
    guest = Guest()
    pointers, texts = guest.put(bytes(1024)), guest.put(bytes(8192))
    return (
        guest.call(f"{function}_sizes_get", 0, 8).call(f"{function}_get", pointers, texts).echo(texts, Word(8)).wasm()
    )


def test_arguments_and_environment_are_the_given_ones(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HOST", "secret")
    assert run(listing("args"), "one", "", "drei äöü").stdout.decode() == "job.wasm\0one\0\0drei äöü\0"
    assert sorted(run(listing("environ"), env={"A": "1", "B": "x=y"}).stdout.split(b"\0")) == [b"", b"A=1", b"B=x=y"]
    assert run(listing("environ")).stdout == b""
