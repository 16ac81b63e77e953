"""A job sees its arguments, environment and standard input, nothing of this process, and its output comes out."""

from __future__ import annotations

import os

import pytest
from runtime_wasmtime.conftest import Run
from runtime_wasmtime.guests import STDERR, STDOUT, Guest, Word, command, wat

from plasm.contracts import Call, Runtime, Terms
from plasm.errors import PluginError
from plasm.model import Invocation, Limits, Outcome
from plasm_runtime_wasmtime.execution import PROGRAM_NAME


def listing(function: str) -> bytes:
    """A guest that writes the texts which ``function`` gives it, each with its NUL."""
    guest = Guest()
    pointers, texts = guest.put(bytes(1024)), guest.put(bytes(8192))
    return (
        guest.call(f"{function}_sizes_get", 0, 8).call(f"{function}_get", pointers, texts).echo(texts, Word(8)).wasm()
    )


@pytest.fixture
def echo() -> bytes:
    """A guest that copies standard input to standard output."""
    return wat(
        """
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "_start")
          (loop $more
            (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 65536))
            (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)) (then unreachable))
            (if (i32.load (i32.const 4))
              (then
                (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
                (br $more)))))"""
    )


def test_arguments_follow_a_program_name_that_says_nothing_of_the_host(run: Run) -> None:
    finished = run(listing("args"), "one", "", "drei äöü")
    assert finished.stdout.decode().split("\0") == [PROGRAM_NAME, "one", "", "drei äöü", ""]


def test_the_environment_is_the_given_one_and_nothing_is_inherited(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HOST", "secret")
    assert run(listing("environ"), env={"A": "1", "B": "x=y"}).stdout == b"A=1\0B=x=y\0"
    assert run(listing("environ")).stdout == b""


def test_the_two_outputs_are_kept_apart(run: Run) -> None:
    finished = run(Guest().write("out", STDOUT).write("err", STDERR).write("more", STDOUT).wasm())
    assert (finished.stdout, finished.stderr) == (b"outmore", b"err")


def test_output_arrives_while_the_job_runs(run: Run, echo: bytes) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"question")
    finished = run(echo, stdin=read_end, on_output=lambda _: os.close(write_end))
    os.close(read_end)
    assert finished.stdout == b"question"


def test_output_before_a_trap_is_kept(run: Run) -> None:
    assert run(Guest().write("last words").then("unreachable").wasm()).stdout == b"last words"


def test_the_descriptors_stay_the_callers(runtime: Runtime) -> None:
    stdout, write_stdout = os.pipe()
    stderr, write_stderr = os.pipe()
    compiled = runtime.compile(Guest().write("out").write("err", STDERR).wasm(), Terms(Limits()))
    for _ in range(2):
        runtime.execute(compiled, Call(Invocation(), write_stdout, write_stderr), Terms(Limits()))
    os.close(write_stdout)
    os.close(write_stderr)
    assert (os.read(stdout, 100), os.read(stderr, 100)) == (b"outout", b"errerr")
    os.close(stdout)
    os.close(stderr)


def test_no_stdin_is_an_empty_one(run: Run, echo: bytes) -> None:
    finished = run(echo)
    assert (finished.outcome, finished.stdout) == (Outcome.exited(0), b"")


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 2**20, 3 * 2**20 + 1])
def test_stdin_from_a_pipe_arrives_whole(run: Run, echo: bytes, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    assert run(echo, stdin=data[:size]).stdout == data[:size]


def test_stdin_that_comes_late_is_waited_for(run: Run, echo: bytes) -> None:
    read_end, write_end = os.pipe()
    greeting = Guest().write("ready").read().wasm()

    def answer(data: bytes) -> None:
        if data == b"ready":
            os.write(write_end, b"late")

    assert run(greeting, stdin=read_end, on_output=answer).stdout == b"readylate"
    os.close(write_end)
    os.close(read_end)


def test_stdin_that_the_job_leaves_is_not_waited_for(run: Run) -> None:
    read_end, write_end = os.pipe()
    assert run(command(), stdin=read_end).outcome == Outcome.exited(0)
    os.close(write_end)
    os.close(read_end)


def test_an_output_that_is_not_open_is_named(runtime: Runtime) -> None:
    compiled = runtime.compile(command(), Terms(Limits()))
    with pytest.raises(PluginError, match=r"stdout \(descriptor 9999\)"):
        runtime.execute(compiled, Call(Invocation(), 9999, 9999), Terms(Limits()))


def test_an_output_that_nobody_reads_any_more_gives_the_job_an_error(runtime: Runtime) -> None:
    read_end, write_end = os.pipe()
    compiled = runtime.compile(Guest().write("x").wasm(), Terms(Limits()))
    os.close(read_end)
    execution = runtime.execute(compiled, Call(Invocation(), write_end, write_end), Terms(Limits()))
    os.close(write_end)
    assert execution.outcome.exit_code not in {0, None}
