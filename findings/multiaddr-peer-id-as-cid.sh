#!/usr/bin/env bash
# multiaddr 0.2.0 (PyPI) against @multiformats/multiaddr 13.0.3 (npm).
# Expected: /p2p/ with a peer id in its CIDv1 form, bafz… or k51…, has the same bytes as with the form Qm… or
# 12D3Koo….
# Seen: in JavaScript it has: the binary form holds the multihash. py-multiaddr writes the whole CID, two bytes more,
# so that the same address has two binary forms and does not compare equal to itself; its text, though, is the old
# form, and parsing that text again gives the other bytes. JavaScript prints Python's bytes as a peer id that nobody
# has.
# Why it matters: addresses go over the wire in binary (identify, the DHT, address books keyed by bytes). What a user
# pastes from a tool that prints bafz… works in the one and is a stranger's address in the other.
# Source: libp2p's peer-ids specification: a peer id is a multihash, and the CID form a way to write it as text.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check multiaddr==0.2.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" @multiformats/multiaddr@13.0.3

old=/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN
new=/p2p/bafzbeiagwnqiviaae5aet2zivwhhsorg75x2wka2pu55o7grr23ulx5kxm
cat > "$d/python.py" <<'EOF'
import sys
from multiaddr import Multiaddr
old, new = map(Multiaddr, sys.argv[1:])
print("python", old.to_bytes().hex()[:14], new.to_bytes().hex()[:14], "equal" if old == new else "not equal",
      "same text" if str(old) == str(new) else "other text")
print("again", Multiaddr(str(new)).to_bytes().hex()[:14])
open(sys.argv[0] + ".bytes", "wb").write(new.to_bytes())
EOF
cat > "$d/js.mjs" <<'EOF'
import { readFileSync } from "node:fs";
import { multiaddr } from "@multiformats/multiaddr";
const [old, cid] = process.argv.slice(2, 4).map((text) => multiaddr(text));
const hex = (address) => Buffer.from(address.bytes).toString("hex").slice(0, 14);
console.log("js", hex(old), hex(cid), Buffer.compare(old.bytes, cid.bytes) ? "not equal" : "equal");
try {
  console.log("js reads python's bytes as", multiaddr(readFileSync(process.argv[4])).toString());
} catch (error) {
  console.log("js reads python's bytes as", error.name);
}
EOF
seen=$(
    "$d/venv/bin/python" "$d/python.py" "$old" "$new"
    node "$d/js.mjs" "$old" "$new" "$d/python.py.bytes"
)
echo "$seen"

expected=$(cat <<'EOF'
python a50322122006b3 a5032401721220 not equal same text
again a50322122006b3
js a50322122006b3 a50322122006b3 equal
js reads python's bytes as /p2p/dvgq1s8yRYiXTT4tvT4LfmmZe1K7HfUXgcYFia8m3qfQPhx6
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "multiaddr-peer-id-as-cid: changed. The two multiaddr libraries write peer ids otherwise than they did."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "multiaddr-peer-id-as-cid: as described"
