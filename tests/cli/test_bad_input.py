"""Bad input: one line that says what, where and what to do; the right exit status; nothing half-written."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import resource
import tarfile
from pathlib import Path

import pytest

from jobs import EXIT
from world import Plasm, Wasm

ONE_LINE = re.compile(rb"plasm: error\[[a-z-]+\]: [^\n]+\n")


def refused(done, *words: str, status: int = 125) -> None:
    """``done`` ended with one line of error that has ``words`` in it, and printed nothing else."""
    assert done.returncode == status, done.stderr
    assert ONE_LINE.fullmatch(done.stderr), done.stderr
    assert done.stdout == b""
    for word in words:
        assert word in done.stderr.decode(), done.stderr


def test_a_missing_module(plasm: Plasm, tmp_path: Path) -> None:
    refused(plasm("run", tmp_path / "none.wasm"), "none.wasm")


def test_a_folder_as_module(plasm: Plasm, tmp_path: Path) -> None:
    refused(plasm("run", tmp_path), "is a folder")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "job.wasm is empty"),
        (b"\0as", "job.wasm is cut short after 3 bytes"),
        (b"\0asm\1\0", "job.wasm is cut short after 6 bytes"),
        (b"\0asm\1\0\0\0\1", "job.wasm"),
        (b"hello\n", "job.wasm is text, not a WebAssembly module"),
        (b"#!/bin/sh\necho hello\n", "job.wasm is text, not a WebAssembly module"),
        ("ü".encode() * 3000, "job.wasm is text, not a WebAssembly module"),
        (b"\n<!DOCTYPE html>\n<html>", "job.wasm is a web page, not a WebAssembly module"),
        (b"(module)", "job.wasm is WebAssembly text, not a binary module (translate it first, with wat2wasm"),
        (b"\xef\xbb\xbf\n ;; a comment\n(module)", "job.wasm is WebAssembly text, not a binary module"),
        (b"\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0", "a native program or a precompiled artifact, not a WebAssembly module"),
        (b"MZ\x90\0", "job.wasm is a Windows program, not a WebAssembly module"),
        (b"\xcf\xfa\xed\xfe", "job.wasm is a macOS program, not a WebAssembly module"),
        (b"\xca\xfe\xba\xbe\0\0", "job.wasm is a macOS program or a Java class, not a WebAssembly module"),
        (b"BC\xc0\xde", "job.wasm is LLVM bitcode, not a WebAssembly module"),
        (b"!<arch>\n", "job.wasm is a static library, not a WebAssembly module"),
        (
            gzip.compress(b"\0asm\1\0\0\0", mtime=0),
            "job.wasm is a gzip archive, not a WebAssembly module (unpack it first)",
        ),
        (bz2.compress(b"\0asm\1\0\0\0"), "job.wasm is a bzip2 archive, not a WebAssembly module"),
        (lzma.compress(b"\0asm\1\0\0\0"), "job.wasm is an xz archive, not a WebAssembly module"),
        (b"\x28\xb5\x2f\xfd\0", "job.wasm is a zstd archive, not a WebAssembly module"),
        (b"PK\x03\x04", "job.wasm is a zip archive, not a WebAssembly module"),
        (tarfile.TarInfo("job.wasm").tobuf(), "job.wasm is a tar archive, not a WebAssembly module"),
        (b"\0\xff\0\xff", "job.wasm is not a WebAssembly module: it does not start with \\0asm"),
        (b"\0asm\x0d\0\1\0", "job.wasm is a WebAssembly component, not a core module"),
        (b"\0asm\2\0\0\0", "job.wasm is of WebAssembly version 2 (layer 0), which is not known"),
    ],
)
def test_what_is_no_module_is_called_what_it_is(plasm: Plasm, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "job.wasm").write_bytes(content)
    refused(plasm("run", "job.wasm", cwd=tmp_path), words)


def test_a_module_cut_short(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.wasm"
    path.write_bytes(hello.read_bytes()[:-100])
    refused(plasm("run", path), "cut.wasm")


def test_a_module_of_300_megabytes_is_refused_unread(plasm: Plasm, tmp_path: Path) -> None:
    path = tmp_path / "large.wasm"
    with path.open("wb") as file:
        file.write(b"\0asm\1\0\0\0")
        file.truncate(300 * 10**6)

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (200 * 2**20, 200 * 2**20))

    refused(plasm("run", path, preexec_fn=little_memory), "larger than 128MiB")


def test_an_unknown_import_is_named(plasm: Plasm, wasm: Wasm) -> None:
    module = wasm('(module (import "env" "launch" (func)) (func (export "_start")))')
    refused(plasm("run", module), "env.launch", "unsupported-import")


def test_no_start_function(plasm: Plasm, wasm: Wasm) -> None:
    refused(plasm("run", wasm('(module (func (export "add")))')), "_start")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--memory", "-5"], "--memory"),
        (["--memory", "0"], "memory"),
        (["--memory", "5TiB"], "'5TiB' is not a size"),
        (["--memory", "999GiB"], "out of range"),
        (["--memory", "lots"], "'lots' is not a size"),
        (["--memory", ""], "'' is not a size"),
        (["--fuel", "-1"], "fuel"),
        (["--fuel", "0"], "fuel"),
        (["--fuel", "99999999999999999999999"], "fuel"),
        (["--fuel", "many"], "fuel"),
        (["--timeout", "0"], "duration"),
        (["--timeout", "0s"], "wall_time"),
        (["--timeout", "1us"], "duration"),
        (["--timeout", "0.1ms"], "finer"),
        (["--timeout", "9999h"], "out of range"),
        (["--output-limit", "1.5B"], "finer"),
        (["--env", "NOVALUE"], "NOVALUE=VALUE"),
        (["--env", "=x"], "is not a name"),
        (["--dir", "/tmp"], "/tmp:/data"),
        (["--dir", "/nonexistent:/data"], "/nonexistent"),
        (["--dir", "/tmp:data"], "absolute guest path"),
        (["--dir", "/tmp:/../etc"], "absolute guest path"),
        (["--dir", "/tmp:/a", "--dir", "/usr:/a"], "mounted twice"),
        (["--stdin", "/nonexistent"], "/nonexistent"),
        (["--stdin", "/"], "is a folder"),
        (["--runtime", "nosuch"], "pip install plasm-plugin-runtime-nosuch"),
        (["--signer", "nosuch", "--json"], ""),
        (["--receipt-format", "2"], "receipt-format"),
        (["--receipt", "/nonexistent/receipt.json"], "/nonexistent/receipt.json"),
        (["--receipt", "/"], "/"),
        (["--manifest", "/nonexistent.toml"], "/nonexistent.toml"),
    ],
)
def test_a_bad_option_is_told_before_the_job_runs(plasm: Plasm, hello: Path, options: list[str], words: str) -> None:
    done = plasm("run", hello, "must not be printed", *options)
    if "--json" in options:
        assert done.returncode == 125
        assert b'"plugin-not-found"' in done.stdout
    else:
        refused(done, words)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_receipt_in_a_folder_that_is_not_ours(plasm: Plasm, hello: Path, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    refused(plasm("run", hello, "x", "--receipt", folder / "r.json"), "r.json")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"# a page"])
def test_what_is_no_receipt_is_named_by_its_file(plasm: Plasm, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    refused(plasm("verify", path), f"{path}: not a valid receipt", "invalid-receipt")


def test_a_refused_job_leaves_no_receipt_and_keeps_the_old_one(plasm: Plasm, wasm: Wasm, tmp_path: Path) -> None:
    plasm("identity", "new")
    folder = tmp_path / "receipts"
    folder.mkdir()
    (folder / "r.json").write_text("the old one")
    refused(plasm("run", wasm('(module (func (export "add")))'), "--receipt", folder / "r.json"), "_start")
    assert [path.name for path in folder.iterdir()] == ["r.json"]
    assert (folder / "r.json").read_text() == "the old one"


def test_a_device_is_written_in_place(plasm: Plasm, hello: Path) -> None:
    done = plasm("run", hello, "x", "--receipt", "/dev/null", "--quiet")
    assert (done.returncode, done.stderr) == (0, b"")
    assert not Path("/dev/null").is_file()


def test_a_corrupt_key_is_told_before_the_job_runs_and_is_kept(plasm: Plasm, hello: Path, plasm_home: Path) -> None:
    plasm("identity", "new")
    key = plasm_home / "data" / "identity" / "ed25519.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\nrubbish\n-----END PRIVATE KEY-----\n")
    refused(plasm("run", hello, "x", "--receipt", "/dev/null"), str(key))
    assert "rubbish" in key.read_text()


def test_a_corrupt_cache_entry_is_rebuilt(plasm: Plasm, hello: Path, plasm_home: Path) -> None:
    plasm("run", hello, "x")
    (entry,) = (plasm_home / "cache" / "modules" / "wasmtime").iterdir()
    good = entry.read_bytes()
    entry.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    done = plasm("run", hello, "abc")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"cba\n", b"")
    assert len(entry.read_bytes()) == len(good)


def test_a_cache_folder_open_to_others_is_not_used(plasm: Plasm, hello: Path, plasm_home: Path) -> None:
    folder = plasm_home / "cache" / "modules" / "wasmtime"
    folder.mkdir(parents=True, mode=0o777)
    folder.chmod(0o777)
    assert plasm("run", hello, "abc").stdout == b"cba\n"
    assert list(folder.iterdir()) == []


def test_a_file_where_the_cache_should_be(plasm: Plasm, hello: Path, plasm_home: Path) -> None:
    plasm_home.mkdir()
    (plasm_home / "cache").write_text("in the way")
    assert plasm("run", hello, "abc").stdout == b"cba\n"


@pytest.mark.parametrize("command", ["run", "verify", "identity", "plugins", "schema"])
def test_an_unknown_option_names_itself(plasm: Plasm, command: str) -> None:
    done = plasm(command, "--nonsense")
    refused(done, "--nonsense")


@pytest.mark.parametrize("words", [(), ("boot",), ("boot", "keys"), ("receipts",)])
def test_a_command_whose_subcommand_is_missing_shows_its_help(plasm: Plasm, words: tuple[str, ...]) -> None:
    done = plasm(*words)
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.startswith(f"Usage: {' '.join(('plasm', *words))} [OPTIONS] COMMAND".encode())
    assert b"\nCommands:\n" in done.stderr


def test_an_unknown_command_suggests_the_nearest(plasm: Plasm) -> None:
    refused(plasm("rnu"), "rnu", "run")


def test_a_closed_stdin_is_an_empty_one(plasm: Plasm, wasm: Wasm) -> None:
    def close_stdin() -> None:
        os.close(0)

    assert plasm("run", wasm(EXIT % 7), preexec_fn=close_stdin).returncode == 7


def test_the_deadline_holds_for_a_start_section(plasm: Plasm, wasm: Wasm) -> None:
    module = wasm('(module (func $spin (loop br 0)) (start $spin) (func (export "_start")))')
    assert plasm("run", module, "--timeout", "100ms").returncode == 124
