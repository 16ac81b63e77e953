#!/usr/bin/env bash
# binaryen 132.0.0 (npm, what wasm-opt is) and Node's V8 and wasmtime 50.0.1 (PyPI), on x86-64.
# Expected: an optimiser leaves what a program prints as it was, and nobody's NaN but its payload is in doubt.
# Seen: on x86-64 0/0 has its sign bit set (0xffc00000) in V8 and in wasmtime. Binaryen's optimiser computes it at
# build time as 0x7fc00000; it turns NaN + -NaN and a NaN with a payload times one into the same constant, and then
# merges the three functions into one. The same source, optimised and not, gives other bytes on one machine and one
# runtime.
# Why it matters: results that are compared byte for byte (a replay, two nodes, a receipt) differ between a debug and
# a release build, or where a tool chain runs wasm-opt, though the specification lets every one of them be right.
# wasmtime's canonical NaNs make the two agree here.
# Source: WebAssembly's specification, NaN propagation; binaryen folds constants with the compiler's own arithmetic.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

[ "$(uname -m)" = x86_64 ] || { echo "wasm-opt-changes-the-sign-of-nan: about x86-64"; exit 0; }
python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check wasmtime==50.0.1
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" binaryen@132.0.0

cat > "$d/job.wat" <<'EOF'
(module
  (func (export "zero-by-zero") (result i32) (i32.reinterpret_f32 (f32.div (f32.const 0) (f32.const 0))))
  (func (export "nan-plus-minus-nan") (result i32) (i32.reinterpret_f32 (f32.add (f32.const -nan) (f32.const nan))))
  (func (export "payload-by-one") (result i32) (i32.reinterpret_f32 (f32.mul (f32.const nan:0x600001) (f32.const 1)))))
EOF
cat > "$d/optimise.mjs" <<'EOF'
import { readFileSync, writeFileSync } from "node:fs";
import binaryen from "binaryen";
const module = binaryen.readBinary(readFileSync(process.argv[2]));
binaryen.setOptimizeLevel(2);
module.optimize();
writeFileSync(process.argv[3], module.emitBinary());
EOF
cat > "$d/v8.mjs" <<'EOF'
import { readFileSync } from "node:fs";
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(process.argv[2])));
console.log(...Object.values(exports).map((f) => (f() >>> 0).toString(16)));
EOF
cat > "$d/run.py" <<'EOF'
import sys, wasmtime
config = wasmtime.Config()
if sys.argv[2] == "canonical":
    wasmtime._ffi.wasmtime_config_cranelift_nan_canonicalization_set(config.ptr(), True)
engine = wasmtime.Engine(config)
store = wasmtime.Store(engine)
exports = wasmtime.Instance(store, wasmtime.Module(engine, open(sys.argv[1], "rb").read()), []).exports(store)
print(*(f"{exports[name](store) & 0xFFFFFFFF:x}" for name in ("zero-by-zero", "nan-plus-minus-nan", "payload-by-one")))
EOF
"$d/venv/bin/python" -c 'import sys, wasmtime; sys.stdout.buffer.write(wasmtime.wat2wasm(sys.stdin.read()))' < "$d/job.wat" > "$d/plain"
node "$d/optimise.mjs" "$d/plain" "$d/optimised"
seen=$(
    for file in plain optimised; do
        echo "$file: v8 $(node "$d/v8.mjs" "$d/$file")"
        echo "$file: wasmtime $("$d/venv/bin/python" "$d/run.py" "$d/$file" default)"
        echo "$file: wasmtime, canonical $("$d/venv/bin/python" "$d/run.py" "$d/$file" canonical)"
    done
)
echo "$seen"

expected=$(cat <<'EOF'
plain: v8 ffc00000 ffc00000 7fe00001
plain: wasmtime ffc00000 ffc00000 7fe00001
plain: wasmtime, canonical 7fc00000 7fc00000 7fc00000
optimised: v8 7fc00000 7fc00000 7fc00000
optimised: wasmtime 7fc00000 7fc00000 7fc00000
optimised: wasmtime, canonical 7fc00000 7fc00000 7fc00000
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "wasm-opt-changes-the-sign-of-nan: changed. NaNs come out otherwise."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "wasm-opt-changes-the-sign-of-nan: as described"
