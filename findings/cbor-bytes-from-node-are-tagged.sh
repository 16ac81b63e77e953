#!/usr/bin/env bash
# cbor-x 1.6.9 (npm) to cbor2 6.3.0 (PyPI).
# Expected: a Uint8Array is a CBOR byte string, as everywhere else in JavaScript (cborg, the WebAuthn and COSE
# libraries).
# Seen: cbor-x writes a Uint8Array with tag 64 (a typed array of RFC 8746) and a Buffer, which is a Uint8Array too,
# without. cbor2 gives a CBORTag for the first and bytes for the second.
# Why it matters: digests, keys and signatures come as Uint8Array from Web Crypto and as Buffer from node:crypto. The
# same message is accepted or refused by a strict reader, depending on which of the two made the value.
# Source: cbor-x's option tagUint8Array; RFC 8746 (tag 64: uint8 array).
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check cbor2==6.3.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" cbor-x@1.6.9

cat > "$d/js.mjs" <<'EOF'
import { createHash } from "node:crypto";
import { Encoder } from "cbor-x";
const encoder = new Encoder({ useRecords: false });
const web = new Uint8Array(await crypto.subtle.digest("SHA-256", Buffer.from("job")));
const node = createHash("sha256").update("job").digest();
for (const digest of [web, node]) console.log(encoder.encode(digest).toString("hex"));
EOF
cat > "$d/python.py" <<'EOF'
import sys, cbor2
for line in sys.stdin:
    value = cbor2.loads(bytes.fromhex(line))
    print(line[:8], type(value).__name__, getattr(value, "tag", ""), getattr(value, "value", value).hex()[:8])
EOF
seen=$(node "$d/js.mjs" | "$d/venv/bin/python" "$d/python.py")
echo "$seen"

expected=$(cat <<'EOF'
d8405820 CBORTag 64 5e8c9902
58205e8c bytes  5e8c9902
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "cbor-bytes-from-node-are-tagged: changed. cbor-x writes bytes otherwise than it did."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "cbor-bytes-from-node-are-tagged: as described"
