#!/usr/bin/env bash
# cbor2 6.3.0 (PyPI) and cborg 6.1.5 (npm), what IPLD's tools are built on.
# Expected: canonical=True of the one and the default of the other, both meant for digests and signatures, give the
# same bytes for the same map.
# Seen: cbor2 sorts keys by length first (RFC 7049's canonical form), cborg by their bytes (RFC 8949's deterministic
# form). Maps of text keys come out alike, so tests with JSON-like data pass; a map with the integers 33 and -1,
# labels that COSE and CWT have, does not. Also 2^53 is a float of four bytes in cborg and an integer in cbor2, and
# -0.0 is the integer 0.
# Why it matters: a signature over the re-encoded map fails in the other language, for some maps only.
# Source: RFC 7049 section 3.9 and RFC 8949 section 4.2.1, which keeps the older order as 4.2.3.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check cbor2==6.3.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" cborg@6.1.5

cat > "$d/python.py" <<'EOF'
import cbor2
for value in ({"b": 1, "aa": 2}, {33: 1, -1: 2}, 2**53 - 1, 2**53, -0.0):
    print(cbor2.dumps(value, canonical=True).hex())
EOF
cat > "$d/js.mjs" <<'EOF'
import { encode } from "cborg";
for (const value of [{ b: 1, aa: 2 }, new Map([[33, 1], [-1, 2]]), 2 ** 53 - 1, 2 ** 53, -0])
  console.log(Buffer.from(encode(value)).toString("hex"));
EOF
seen=$(paste -d' ' <("$d/venv/bin/python" "$d/python.py") <(node "$d/js.mjs"))
echo "$seen"

expected=$(cat <<'EOF'
a261620162616102 a261620162616102
a22002182101 a21821012002
1b001fffffffffffff 1b001fffffffffffff
1b0020000000000000 fa5a000000
f98000 00
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "cbor-canonical-orders: changed. The two CBOR encoders order or write otherwise."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "cbor-canonical-orders: as described"
