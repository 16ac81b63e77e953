"""WASI preview 1 by its functions' types, and the refusal of imports that are none of them."""

from __future__ import annotations

from plasm.errors import UnsupportedImport
from plasm_runtime_wasmer.sections import FunctionType, Import, Module

SPACE = "wasi_snapshot_preview1"

_VALUES = {"i": 0x7F, "l": 0x7E}
# Parameters: i for 32 bits, l for 64.  All but proc_exit give an error number.
_PARAMETERS = {
    "args_get": "ii",
    "args_sizes_get": "ii",
    "clock_res_get": "ii",
    "clock_time_get": "ili",
    "environ_get": "ii",
    "environ_sizes_get": "ii",
    "fd_advise": "illi",
    "fd_allocate": "ill",
    "fd_close": "i",
    "fd_datasync": "i",
    "fd_fdstat_get": "ii",
    "fd_fdstat_set_flags": "ii",
    "fd_fdstat_set_rights": "ill",
    "fd_filestat_get": "ii",
    "fd_filestat_set_size": "il",
    "fd_filestat_set_times": "illi",
    "fd_pread": "iiili",
    "fd_prestat_dir_name": "iii",
    "fd_prestat_get": "ii",
    "fd_pwrite": "iiili",
    "fd_read": "iiii",
    "fd_readdir": "iiili",
    "fd_renumber": "ii",
    "fd_seek": "ilii",
    "fd_sync": "i",
    "fd_tell": "ii",
    "fd_write": "iiii",
    "path_create_directory": "iii",
    "path_filestat_get": "iiiii",
    "path_filestat_set_times": "iiiilli",
    "path_link": "iiiiiii",
    "path_open": "iiiiillii",
    "path_readlink": "iiiiii",
    "path_remove_directory": "iii",
    "path_rename": "iiiiii",
    "path_symlink": "iiiii",
    "path_unlink_file": "iii",
    "poll_oneoff": "iiii",
    "proc_exit": "i",
    "proc_raise": "i",
    "random_get": "ii",
    "sched_yield": "",
    "sock_accept": "iii",
    "sock_recv": "iiiiii",
    "sock_send": "iiiii",
    "sock_shutdown": "ii",
}
NEED_NO_MEMORY = frozenset({"fd_close", "proc_exit", "proc_raise", "sched_yield"})

_SHOWN = 5
_LONGEST_NAME = 200
_HINTS = (
    (SPACE, "WASI preview 1 has no such function: rebuild it with a released toolchain"),
    ("wasi_unstable", "it was built for WASI preview 0: rebuild it for wasm32-wasip1"),
    ("wasi:", "it was built for WASI preview 2: compile for wasm32-wasip1"),
    ("wasi.thread-spawn", "it was built for threads: compile for wasm32-wasip1 without them"),
    ("wasix", "it was built for WASIX, which Wasmer has and no job is given: compile for wasm32-wasip1"),
    ("wbg", "it was built for a browser: compile for wasm32-wasip1 without wasm-bindgen"),
    ("__wbindgen", "it was built for a browser: compile for wasm32-wasip1 without wasm-bindgen"),
    ("env.", "a function was declared and never linked in, or it was built for a browser"),
    ("", "jobs get WASI preview 1 and nothing else: compile for wasm32-wasip1"),
)


def function_type(name: str) -> FunctionType:
    """The type of a function of preview 1."""
    results = b"" if name == "proc_exit" else b"\x7f"
    return FunctionType(bytes(_VALUES[value] for value in _PARAMETERS[name]), results)


def check_imports(module: Module) -> None:
    """Refuse a module that asks for what no job is given.

    Raises:
        UnsupportedImport: naming the first few such imports.
    """
    strange = [item for item in module.imports if item.space != SPACE or item.name not in _PARAMETERS]
    if strange:
        raise _refusal(strange)
    for item in module.imports:
        if item.type is None or module.types[item.type] != function_type(item.name):
            raise UnsupportedImport(
                f"the module imports {SPACE}.{item.name} as what it is not",
                hint="compile a program with a main function for wasm32-wasip1",
            )


def _refusal(strange: list[Import]) -> UnsupportedImport:
    names = [f"{item.space}.{item.name}" for item in strange]
    shown = ", ".join(map(_printable, names[:_SHOWN]))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    hint = next(hint for start, hint in _HINTS if names[0].startswith(start))
    return UnsupportedImport(f"the module imports {shown}{more}, which no job is given", hint=hint)


def _printable(text: str) -> str:
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return shown if len(shown) <= _LONGEST_NAME else shown[:_LONGEST_NAME] + "…"
