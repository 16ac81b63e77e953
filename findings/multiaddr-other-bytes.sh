#!/usr/bin/env bash
# multiaddr 0.2.0 (PyPI) against @multiformats/multiaddr 13.0.3 (npm).
# Expected: the same text of a multiaddr has the same bytes in both, since the bytes are what peers exchange.
# Seen: /http-path/a%2Fb has a slash in front in JavaScript (4 bytes instead of 3), /memory/1234 is a number of eight
# bytes in Python and four letters in JavaScript, /garlic32 its 32 bytes in Python and its letters in JavaScript. Each
# side reads its own back as it was; the other's reads as another address.
# Why it matters: signed peer records and the DHT carry the bytes. An address of one of these kinds, made by a node in
# one language, is dialled as another path, or not at all, by a node in the other.
# Source: multiaddr's table of protocols names the kinds and their codes.
set -euo pipefail
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT

python3 -m venv "$d/venv"
"$d/venv/bin/pip" install -q --no-compile --disable-pip-version-check multiaddr==0.2.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$d" @multiformats/multiaddr@13.0.3

cat > "$d/addresses" <<'EOF'
/http-path/a%2Fb
/memory/1234
/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuq
/ip4/127.0.0.1/udp/1/quic-v1
EOF
cat > "$d/python.py" <<'EOF'
import sys
from multiaddr import Multiaddr
for line in open(sys.argv[1]):
    print(line.strip()[:24], Multiaddr(line.strip()).to_bytes().hex())
EOF
cat > "$d/js.mjs" <<'EOF'
import { readFileSync } from "node:fs";
import { multiaddr } from "@multiformats/multiaddr";
for (const line of readFileSync(process.argv[2], "utf8").trim().split("\n"))
  console.log(line.slice(0, 24), Buffer.from(multiaddr(line).bytes).toString("hex"));
EOF
seen=$(paste -d' ' <("$d/venv/bin/python" "$d/python.py" "$d/addresses") <(node "$d/js.mjs" "$d/addresses" | cut -d' ' -f2) |
    awk '{ print $1, $2 == $3 ? "same" : "differs " substr($2, 1, 28) " " substr($3, 1, 28) }')
echo "$seen"

expected=$(cat <<'EOF'
/http-path/a%2Fb differs e10303612f62 e103042f612f62
/memory/1234 differs 890600000000000004d2 89060431323334
/garlic32/566niximlxdzpa differs bf0320efbcd45d0c5dc79781ac6f bf03343536366e6978696d6c7864
/ip4/127.0.0.1/udp/1/qui same
EOF
)
if [ "$seen" != "$expected" ]; then
    echo "multiaddr-other-bytes: changed. The two multiaddr libraries write other bytes than they did."
    diff <(echo "$expected") <(echo "$seen") || true
    exit 1
fi
echo "multiaddr-other-bytes: as described"
