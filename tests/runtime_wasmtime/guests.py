"""Guests for these tests: commands that make WASI calls one after another and exit with the first error."""

from __future__ import annotations

from typing import NamedTuple, Self

import wasmtime

PARAMETERS = {
    "args_get": "i32 i32",
    "args_sizes_get": "i32 i32",
    "clock_res_get": "i32 i32",
    "clock_time_get": "i32 i64 i32",
    "environ_get": "i32 i32",
    "environ_sizes_get": "i32 i32",
    "fd_close": "i32",
    "fd_filestat_get": "i32 i32",
    "fd_filestat_set_size": "i32 i64",
    "fd_filestat_set_times": "i32 i64 i64 i32",
    "fd_read": "i32 i32 i32 i32",
    "fd_write": "i32 i32 i32 i32",
    "path_create_directory": "i32 i32 i32",
    "path_filestat_set_times": "i32 i32 i32 i32 i64 i64 i32",
    "path_link": "i32 i32 i32 i32 i32 i32 i32",
    "path_open": "i32 i32 i32 i32 i32 i64 i64 i32 i32",
    "path_readlink": "i32 i32 i32 i32 i32 i32",
    "path_remove_directory": "i32 i32 i32",
    "path_rename": "i32 i32 i32 i32 i32 i32",
    "path_symlink": "i32 i32 i32 i32 i32",
    "path_unlink_file": "i32 i32 i32",
    "poll_oneoff": "i32 i32 i32 i32",
    "random_get": "i32 i32",
}
STDIN, STDOUT, STDERR, FIRST_FOLDER, SECOND_FOLDER = range(5)
CREATE, TRUNCATE = 1, 8
RIGHT_TO_READ, RIGHT_TO_WRITE = 2, 64
SET_TIMES_NOW = 2 | 8

_SCRATCH = 64
_DATA = 4096


class Word(NamedTuple):
    """An argument that the guest has in its memory."""

    address: int


class Guest:
    """A command under construction.  Addresses below 4096 are free for the calls' results."""

    def __init__(self) -> None:
        self._imports: dict[str, None] = {}
        self._data = b""
        self._body: list[str] = []

    def put(self, data: bytes) -> int:
        """The address of ``data`` in the guest's memory."""
        address = _DATA + len(self._data)
        self._data += data + bytes(-len(data) % 8)
        return address

    def call(self, function: str, *arguments: int | str | Word) -> Self:
        """Call a WASI function; text stands for its address and length."""
        return self.attempt(function, *arguments).then(
            "(if (local.get $error) (then (call $proc_exit (local.get $error))))"
        )

    def attempt(self, function: str, *arguments: int | str | Word) -> Self:
        """Call a WASI function and go on whatever it returns."""
        self._imports[function] = None
        values = " ".join(
            f"({kind}.load (i32.const {value.address}))" if isinstance(value, Word) else f"({kind}.const {value})"
            for kind, value in zip(PARAMETERS[function].split(), self._spread(arguments), strict=True)
        )
        return self.then(f"(local.set $error (call ${function} {values}))")

    def then(self, text: str) -> Self:
        """Do what ``text`` says."""
        self._body.append(text)
        return self

    def write(self, text: str, descriptor: int | Word = STDOUT) -> Self:
        """Write ``text`` at once."""
        data = text.encode()
        vector = self.put(self.put(data).to_bytes(4, "little") + len(data).to_bytes(4, "little"))
        return self.call("fd_write", descriptor, vector, 1, _SCRATCH)

    def echo(self, address: int, length: Word) -> Self:
        """Write ``length`` bytes from ``address``."""
        vector = self.put(address.to_bytes(4, "little") + bytes(4))
        self.then(f"(i32.store (i32.const {vector + 4}) (i32.load (i32.const {length.address})))")
        return self.call("fd_write", STDOUT, vector, 1, _SCRATCH)

    def show(self, address: int, length: int) -> Self:
        """Write so many bytes from ``address``."""
        vector = self.put(address.to_bytes(4, "little") + length.to_bytes(4, "little"))
        return self.call("fd_write", STDOUT, vector, 1, _SCRATCH)

    def read(self, descriptor: int | Word = STDIN, most: int = 1024) -> Self:
        """Read once and write what came."""
        target = self.put(bytes(most))
        vector = self.put(target.to_bytes(4, "little") + most.to_bytes(4, "little"))
        return self.call("fd_read", descriptor, vector, 1, 128).echo(target, Word(128))

    def open(self, path: str, how: int = 0, rights: int = RIGHT_TO_READ, folder: int = FIRST_FOLDER) -> Self:
        """Open a file; its descriptor is ``Word(0)`` then."""
        return self.call("path_open", folder, 0, path, how, rights, 0, 0, 0)

    def wasm(self, *, start: bool = False) -> bytes:
        """The module; with ``start`` it does everything in its start section."""
        imports = "".join(
            f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {PARAMETERS[name]}) (result i32)))'
            for name in self._imports
        )
        data = "".join(f"\\{byte:02x}" for byte in self._data)
        body = "\n".join(self._body)
        entry = '(start $run) (func (export "_start"))' if start else '(export "_start" (func $run))'
        return wat(
            f"""
            {imports}
            (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
            (memory (export "memory") 4)
            (data (i32.const {_DATA}) "{data}")
            (func $run (local $error i32) {body})
            {entry}
            """
        )

    def _spread(self, arguments: tuple[int | str | Word, ...]) -> list[int | Word]:
        flat: list[int | Word] = []
        for argument in arguments:
            if isinstance(argument, str):
                text = argument.encode()
                flat += [self.put(text), len(text)]
            else:
                flat.append(argument)
        return flat


def wat(fields: str) -> bytes:
    """The binary of a module with these fields."""
    return bytes(wasmtime.wat2wasm(f"(module {fields})"))


def command(body: str = "", fields: str = "") -> bytes:
    """A command with this body and a page of memory."""
    return wat(f'(memory (export "memory") 1) {fields} (func (export "_start") {body})')


def exiting(code: int) -> bytes:
    """A command that exits with ``code``."""
    return wat(
        f"""(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {code})) unreachable)"""
    )


LOOP = "(loop $for_ever (br $for_ever))"
