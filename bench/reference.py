"""What `plasm run` is measured against: ten lines that import wasmtime and do the same."""

import sys

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig

engine, wasi = Engine(), WasiConfig()
store, linker = Store(engine), Linker(engine)
linker.define_wasi()
wasi.argv = sys.argv[1:]
wasi.inherit_stdout()
store.set_wasi(wasi)
try:
    linker.instantiate(store, Module.from_file(engine, sys.argv[1])).exports(store)["_start"](store)
except ExitTrap as trap:
    sys.exit(trap.code)
