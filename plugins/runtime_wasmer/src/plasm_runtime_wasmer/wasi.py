"""WASI preview 1 by its functions' types, and the refusal of imports that are none of them."""

from __future__ import annotations

from plasm.errors import UnsupportedImport
from plasm.model.wasi import WASI, unsupported_imports
from plasm_runtime_wasmer.sections import FunctionType, Module

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


def function_type(name: str) -> FunctionType:
    """The type of a function of preview 1."""
    results = b"" if name == "proc_exit" else b"\x7f"
    return FunctionType(bytes(_VALUES[value] for value in _PARAMETERS[name]), results)


def check_imports(module: Module) -> None:
    """Refuse a module that asks for what no job is given.

    Raises:
        UnsupportedImport: naming the first few such imports.
    """
    strange = [(item.space, item.name) for item in module.imports if item.space != WASI or item.name not in _PARAMETERS]
    if strange:
        raise unsupported_imports(strange)
    for item in module.imports:
        if item.type is None or module.types[item.type] != function_type(item.name):
            raise UnsupportedImport(
                f"the module imports {WASI}.{item.name} as what it is not",
                hint="compile a program with a main function for wasm32-wasip1",
            )
